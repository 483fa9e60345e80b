use std::process::ExitCode;

use axum::middleware;
use metrics_exporter_prometheus::PrometheusBuilder;
use redis_collections::AsyncClient;
use thumbnails::app::App;
use thumbnails::{BoxError, config, monitoring, shutdown};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let client = AsyncClient::open(&config::redis_url()).await?;
    let mut app = App::open(&client, "thumbnails").await?;
    let monitoring = monitoring::routes(client, app.store.jobs.clone(), metrics);
    app.routes = app.routes.layer(middleware::from_fn(monitoring::count_requests));
    app.routes = app.routes.merge(monitoring);

    let listener = TcpListener::bind(config::listen_address()).await?;
    log::info!("listening on http://{}", listener.local_addr()?);
    app.run(listener, shutdown::signal()).await?;
    log::info!("stopped");
    Ok(())
}
