use axum::middleware;
use redis_collections::AsyncClient;
use thumbnails::app::App;
use thumbnails::store::Store;
use thumbnails::{BoxError, config, flags, images, info, settings, shutdown};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = AsyncClient::open(&config::redis_url()).await?;
    let store = Store::new(&client, "thumbnails");
    let settings = settings::open(&client, "thumbnails");
    let flags = flags::open(&client, "thumbnails").await?;
    let infos = info::open(&client, "thumbnails", store.originals.clone())?;
    let routes = images::routes(store.clone())
        .merge(settings::routes(settings.clone()))
        .merge(info::routes(infos))
        .layer(middleware::from_fn_with_state(flags, flags::refuse_changes));

    let listener = TcpListener::bind(config::listen_address()).await?;
    println!("listening on http://{}", listener.local_addr()?);
    App { store, settings, routes }.run(listener, shutdown::signal()).await
}
