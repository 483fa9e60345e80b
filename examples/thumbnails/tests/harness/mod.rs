//! The service in the process of a test, under names of its own.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use thumbnails::BoxError;
use thumbnails::app::App;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub type Outcome = Result<(), BoxError>;

/// Eight by two pixels.
pub const IMAGE: &str = "P5 8 2 255 aacceeggaacceegg";

pub struct Service {
    routes: Router,
    end: oneshot::Sender<()>,
    running: JoinHandle<Outcome>,
}

impl Service {
    pub async fn start(app: App) -> Result<Self, BoxError> {
        let routes = app.routes.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (end, ended) = oneshot::channel();
        let running = tokio::spawn(app.run(listener, async move { drop(ended.await) }));
        Ok(Self { routes, end, running })
    }

    /// Ends the service, which must drain without an error.
    pub async fn stop(self) -> Outcome {
        drop(self.end);
        self.running.await?
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, String), BoxError> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let response =
            self.routes.clone().oneshot(request.body(Body::from(body.to_owned()))?).await?;
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await?;
        Ok((status, String::from_utf8(body.into())?.trim_end().to_owned()))
    }

    /// Sends a request until the response has this status, and returns its body.
    pub async fn until(
        &self,
        expected: StatusCode,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<String, BoxError> {
        let begun = Instant::now();
        loop {
            let (status, found) = self.request(method.clone(), path, body).await?;
            if status == expected {
                return Ok(found);
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("{path}: {status} {found}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
