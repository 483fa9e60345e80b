use redis_collections::AsyncClient;
use thumbnails::app::App;
use thumbnails::store::Store;
use thumbnails::{BoxError, config, images, settings, shutdown};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = AsyncClient::open(&config::redis_url()).await?;
    let store = Store::new(&client, "thumbnails");
    let settings = settings::open(&client, "thumbnails");
    let routes = images::routes(store.clone()).merge(settings::routes(settings.clone()));

    let listener = TcpListener::bind(config::listen_address()).await?;
    println!("listening on http://{}", listener.local_addr()?);
    App { store, settings, routes }.run(listener, shutdown::signal()).await
}
