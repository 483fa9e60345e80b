//! The service while its server cannot be reached.

mod harness;

use axum::http::{Method, StatusCode};
use harness::{IMAGE, Outcome, Service};
use redis_collections::testing::FaultProxy;
use redis_collections::{AsyncClient, LocalServer};
use thumbnails::app::App;

#[tokio::test]
async fn the_service_is_unavailable_during_an_outage_and_recovers() -> Outcome {
    let server = LocalServer::shared()?;
    let names = server.namespace();
    let proxy = FaultProxy::to(server.url())?;
    let client = AsyncClient::open(proxy.url()).await?;
    let app = App::open(&client, &names.name("thumbnails")).await?;
    let service = Service::start(app).await?;

    proxy.cut();
    for (method, path) in [
        (Method::POST, "/users/ann/images"),
        (Method::GET, "/users/ann/settings"),
        (Method::GET, "/images/1/thumbnail"),
        (Method::GET, "/images/1/info"),
    ] {
        let (status, body) = service.request(method, path, IMAGE).await?;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {body}");
    }

    proxy.forward();
    let path =
        service.until(StatusCode::ACCEPTED, Method::POST, "/users/ann/images", IMAGE).await?;
    let thumbnail = service.until(StatusCode::OK, Method::GET, &path, "").await?;
    assert_eq!(thumbnail, "P5 4 1 255\naceg");
    service.stop().await
}
