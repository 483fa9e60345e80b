//! Uploads, and their thumbnails.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::image::Image;
use crate::problem::Problem;
use crate::store::{Order, Store};

/// How many jobs may be pending.
const MOST_PENDING: usize = 10_000;

pub fn routes(store: Store) -> Router {
    Router::new()
        .route("/users/{user}/images", post(upload))
        .route("/images/{image}/thumbnail", get(thumbnail))
        .with_state(store)
}

async fn upload(
    State(store): State<Store>,
    Path(user): Path<String>,
    body: Bytes,
) -> Result<impl IntoResponse, Problem> {
    Image::parse(&body)?;
    let image = store.counters.increment("images", 1).await?;
    store.originals.insert_with_ttl(&image, &body, Store::KEPT).await?;
    let pending = store.jobs.try_push(&Order { image, user }, MOST_PENDING).await?;
    pending.ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much to do"))?;
    Ok((StatusCode::ACCEPTED, format!("/images/{image}/thumbnail\n")))
}

async fn thumbnail(
    State(store): State<Store>,
    Path(image): Path<u64>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = store.thumbnails.get(&image).await?.ok_or_else(Problem::not_found)?;
    Ok(([(header::CONTENT_TYPE, "image/x-portable-graymap")], bytes))
}
