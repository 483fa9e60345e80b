//! What is known of an image. That takes a look at every pixel, so it is kept for an hour.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use redis_collections::{AsyncClient, CacheClient, CachePolicy, Error, Json};
use serde::{Deserialize, Serialize};

use crate::BoxError;
use crate::image::Image;
use crate::problem::Problem;
use crate::store::Images;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    pub width: usize,
    pub height: usize,
    pub brightness: u8,
}

pub type Infos = CacheClient<u64, Json<Info>, AsyncClient>;

pub fn open(client: &AsyncClient, prefix: &str, originals: Images) -> Result<Infos, Error> {
    let policy = CachePolicy::time_to_live(Duration::from_secs(3600)).jitter(0.1);
    CacheClient::new(client, format!("{prefix}:info"), policy, move |image, ()| {
        load(originals.clone(), image)
    })
}

async fn load(originals: Images, image: u64) -> Result<Option<Info>, BoxError> {
    let Some(bytes) = originals.get(&image).await? else { return Ok(None) };
    log::info!("looking at image {image}");
    let image = Image::parse(&bytes)?;
    let brightness = image.brightness();
    Ok(Some(Info { width: image.width(), height: image.height(), brightness }))
}

pub fn routes(infos: Infos) -> Router {
    Router::new().route("/images/{image}/info", get(read)).with_state(infos)
}

async fn read(
    State(infos): State<Infos>,
    Path(image): Path<u64>,
) -> Result<axum::Json<Info>, Problem> {
    let info = infos.get(&image).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(Info::clone(&info)))
}
