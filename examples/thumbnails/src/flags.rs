//! Flags that change what the service does while it runs.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use redis_collections::{AsyncClient, CachedHashDict, Error, NearCacheSettings, RedisHashDict};

use crate::problem::Problem;

pub type Flags = CachedHashDict<String, bool, AsyncClient>;

pub async fn open(client: &AsyncClient, prefix: &str) -> Result<Flags, Error> {
    let flags = RedisHashDict::new(client, format!("{prefix}:flags"));
    flags.cached(NearCacheSettings::tracking()).await
}

/// Refuses whatever would change something while the flag `read-only` is set.
pub async fn refuse_changes(
    State(flags): State<Flags>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let read_only = flags.get("read-only").await?.is_some_and(|set| *set);
    if read_only && request.method() != Method::GET {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "read-only for now"));
    }
    Ok(next.run(request).await)
}
