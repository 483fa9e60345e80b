//! What the service does for its users.

mod harness;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use harness::{IMAGE, Outcome, Service};
use redis_collections::testing::Namespace;
use redis_collections::{AsyncClient, LocalServer, QueueSettings, RedisHashDict};
use thumbnails::BoxError;
use thumbnails::app::App;
use thumbnails::image::{BadImage, Image};
use thumbnails::store::Order;

/// A service that has not begun, and its names.
async fn app() -> Result<(Namespace, AsyncClient, App), BoxError> {
    let server = LocalServer::shared()?;
    let names = server.namespace();
    let client = AsyncClient::open(server.url()).await?;
    let app = App::open(&client, &names.name("thumbnails")).await?;
    Ok((names, client, app))
}

#[tokio::test]
async fn an_upload_becomes_a_thumbnail() -> Outcome {
    let (_names, _, app) = app().await?;
    let service = Service::start(app).await?;
    let (status, path) = service.request(Method::POST, "/users/ann/images", IMAGE).await?;
    assert_eq!((status, path.as_str()), (StatusCode::ACCEPTED, "/images/1/thumbnail"));
    let thumbnail = service.until(StatusCode::OK, Method::GET, &path, "").await?;
    assert_eq!(thumbnail, "P5 4 1 255\naceg");
    service.stop().await
}

#[tokio::test]
async fn requests_that_are_wrong_have_a_status_that_says_so() -> Outcome {
    let (_names, _, app) = app().await?;
    let service = Service::start(app).await?;
    for (method, path, body, expected) in [
        (Method::POST, "/users/ann/images", "hello", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::PUT, "/users/ann/settings", "{}", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::PUT, "/users/ann/settings", "{", StatusCode::BAD_REQUEST),
        (Method::GET, "/images/cat/thumbnail", "", StatusCode::BAD_REQUEST),
        (Method::GET, "/images/7/thumbnail", "", StatusCode::NOT_FOUND),
        (Method::GET, "/images/7/info", "", StatusCode::NOT_FOUND),
        (Method::DELETE, "/images/7/info", "", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let (status, found) = service.request(method, path, body).await?;
        assert_eq!(status, expected, "{path}: {found}");
    }
    let large = "0".repeat(3 << 20);
    let (status, _) = service.request(Method::POST, "/users/ann/images", &large).await?;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    service.stop().await
}

#[tokio::test]
async fn a_job_that_fails_is_retried_and_then_a_dead_letter() -> Outcome {
    let (_names, _, mut app) = app().await?;
    let moment = Duration::from_millis(10);
    let settings = QueueSettings::new().max_deliveries(3).backoff(moment, moment);
    app.store.jobs = app.store.jobs.with(settings);
    let jobs = app.store.jobs.clone();
    jobs.push(&Order { image: 7, user: "ann".to_owned() }).await?;

    let service = Service::start(app).await?;
    assert!(jobs.drain(Duration::from_secs(30)).await?);
    let stats = jobs.stats().await?;
    assert_eq!((stats.retried, stats.dead, stats.done), (2, 1, 0));
    let dead = &jobs.dead().list(1).await?[0];
    assert_eq!((dead.reason.as_str(), dead.deliveries), ("no such image", 3));
    service.stop().await
}

#[tokio::test]
async fn a_user_chooses_the_width_of_thumbnails() -> Outcome {
    let (_names, _, app) = app().await?;
    let service = Service::start(app).await?;
    let settings = "/users/ann/settings";
    let (_, before) = service.request(Method::GET, settings, "").await?;
    assert_eq!(before, r#"{"width":4}"#);
    let (status, _) = service.request(Method::PUT, settings, r#"{"width":2}"#).await?;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for (user, expected) in [("ann", "P5 2 1 255\nbf"), ("bob", "P5 4 1 255\naceg")] {
        let upload = format!("/users/{user}/images");
        let (_, path) = service.request(Method::POST, &upload, IMAGE).await?;
        assert_eq!(service.until(StatusCode::OK, Method::GET, &path, "").await?, expected);
    }
    service.stop().await
}

#[tokio::test]
async fn settings_of_the_first_version_are_read() -> Outcome {
    let (names, client, app) = app().await?;
    let stored: RedisHashDict<String, String, AsyncClient> =
        RedisHashDict::new(&client, names.name("thumbnails:settings"));
    stored.insert("ann", r#"1:{"size":2}"#).await?;
    let service = Service::start(app).await?;
    let (_, found) = service.request(Method::GET, "/users/ann/settings", "").await?;
    assert_eq!(found, r#"{"width":2}"#);
    service.stop().await
}

#[tokio::test]
async fn a_flag_takes_effect_while_the_service_runs() -> Outcome {
    let (names, client, app) = app().await?;
    let service = Service::start(app).await?;
    let upload = "/users/ann/images";
    service.until(StatusCode::ACCEPTED, Method::POST, upload, IMAGE).await?;

    // By another client, without the cache.
    let flags: RedisHashDict<String, bool, AsyncClient> =
        RedisHashDict::new(&client, names.name("thumbnails:flags"));
    flags.insert("read-only", &true).await?;
    let refused =
        service.until(StatusCode::SERVICE_UNAVAILABLE, Method::POST, upload, IMAGE).await?;
    assert_eq!(refused, "read-only for now");
    let (status, _) = service.request(Method::GET, "/users/ann/settings", "").await?;
    assert_eq!(status, StatusCode::OK);
    flags.remove("read-only").await?;
    service.until(StatusCode::ACCEPTED, Method::POST, upload, IMAGE).await?;
    service.stop().await
}

#[tokio::test]
async fn an_image_is_looked_at_once() -> Outcome {
    let (_names, _, app) = app().await?;
    let originals = app.store.originals.clone();
    let service = Service::start(app).await?;
    service.request(Method::POST, "/users/ann/images", IMAGE).await?;
    for _ in 0..2 {
        let (_, info) = service.request(Method::GET, "/images/1/info", "").await?;
        assert_eq!(info, r#"{"width":8,"height":2,"brightness":100}"#);
        originals.remove(&1).await?;
    }
    service.stop().await
}

#[test]
fn bytes_that_are_no_image_are_refused() {
    let header = BadImage("not an image that begins with P5 WIDTH HEIGHT 255");
    let size = BadImage("a size that is no positive number");
    let pixels = BadImage("not WIDTH times HEIGHT pixels");
    for (bytes, expected) in [
        ("", &header),
        ("P5 1 1 65535 ab", &header),
        ("P2 1 1 255 a", &header),
        ("P5 0 0 255 ", &size),
        ("P5 -1 1 255 a", &size),
        ("P5 2 2 255 abc", &pixels),
        ("P5 4294967296 4294967296 255 ", &pixels),
    ] {
        assert_eq!(Image::parse(bytes.as_bytes()).as_ref(), Err(expected), "{bytes}");
    }
}

#[test]
fn a_thumbnail_keeps_the_shape_of_its_image() {
    for (image, width, expected) in [
        ("P5 8 2 255 aacceeggaacceegg", 4, "P5 4 1 255\naceg"),
        ("P5 2 4 255 aaccaacc", 1, "P5 1 2 255\nbb"),
        ("P5 3 1 255 abc", 2, "P5 2 1 255\nab"),
        ("P5 3 1 255 abc", 9, "P5 3 1 255\nabc"),
        ("P5 3 1 255 abc", 0, "P5 1 1 255\nb"),
    ] {
        let image = Image::parse(image.as_bytes()).expect("an image");
        let thumbnail = image.thumbnail(width).to_bytes();
        assert_eq!(String::from_utf8_lossy(&thumbnail), expected);
    }
}
