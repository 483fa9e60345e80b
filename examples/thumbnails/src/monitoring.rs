//! What operators see of the service.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use redis_collections::AsyncClient;

use crate::problem::Problem;
use crate::store::Jobs;

pub fn routes(client: AsyncClient, jobs: Jobs, metrics: PrometheusHandle) -> Router {
    let health = Router::new().route("/healthz", get(check)).with_state(client);
    let metrics = Router::new().route("/metrics", get(render)).with_state((jobs, metrics));
    health.merge(metrics)
}

async fn check(State(client): State<AsyncClient>) -> Result<&'static str, Problem> {
    client.check().await?;
    Ok("ok\n")
}

/// Counts the jobs when it is called: those of all programs.
async fn render(
    State((jobs, metrics)): State<(Jobs, PrometheusHandle)>,
) -> Result<String, Problem> {
    let stats = jobs.stats().await?;
    gauge!("jobs", "state" => "pending").set(stats.pending as f64);
    gauge!("jobs", "state" => "in_flight").set(stats.in_flight as f64);
    gauge!("jobs", "state" => "delayed").set(stats.delayed as f64);
    gauge!("jobs", "state" => "dead").set(stats.dead as f64);
    counter!("jobs_done_total").absolute(stats.done);
    counter!("jobs_retried_total").absolute(stats.retried);
    Ok(metrics.render())
}

pub async fn count_requests(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    counter!("http_requests_total", "status" => status).increment(1);
    response
}
