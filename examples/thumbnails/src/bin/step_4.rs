use redis_collections::{AsyncClient, StopHandle};
use thumbnails::store::Store;
use thumbnails::worker::make_thumbnail;
use thumbnails::{BoxError, config, images, shutdown};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = AsyncClient::open(&config::redis_url()).await?;
    let store = Store::new(&client, "thumbnails");
    let routes = images::routes(store.clone());

    let stop = StopHandle::new();
    let worker = store.jobs.worker_with(store.clone(), async |job, store| {
        // The width of the thumbnail.
        make_thumbnail(&store, job.image, 4).await
    });
    let worker = worker.concurrency(4);

    let listener = TcpListener::bind(config::listen_address()).await?;
    println!("listening on http://{}", listener.local_addr()?);

    // The server ends after the requests that have begun, the worker after its jobs.
    let stopping = stop.clone();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
        shutdown::signal().await;
        stopping.stop();
    });
    let server = async { Ok::<_, BoxError>(server.await?) };
    let worker = async { Ok(worker.run(&stop).await?) };
    tokio::try_join!(server, worker)?;
    Ok(())
}
