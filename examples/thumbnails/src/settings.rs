//! The settings of each user, all in one hash.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use redis_collections::{AsyncClient, Codec, CodecError, RedisHashDict, Upgrade, Versioned};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The width of thumbnails.
    pub width: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { width: 4 }
    }
}

/// The first version of the service had another name for the width.
#[derive(Serialize, Deserialize)]
struct Settings1 {
    size: usize,
}

impl Upgrade for Settings {
    type Format = redis_collections::Json<Self>;
    const VERSION: u32 = 2;

    fn upgrade(version: u32, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => Ok(Self { width: redis_collections::Json::<Settings1>::decode(bytes)?.size }),
            _ => Err(CodecError::new("an unknown version of settings")),
        }
    }
}

pub type UserSettings = RedisHashDict<String, Versioned<Settings>, AsyncClient>;

pub fn open(client: &AsyncClient, prefix: &str) -> UserSettings {
    RedisHashDict::new(client, format!("{prefix}:settings"))
}

pub fn routes(settings: UserSettings) -> Router {
    Router::new().route("/users/{user}/settings", get(read).put(write)).with_state(settings)
}

async fn read(
    State(settings): State<UserSettings>,
    Path(user): Path<String>,
) -> Result<Json<Settings>, Problem> {
    Ok(Json(settings.get(&user).await?.unwrap_or_default()))
}

async fn write(
    State(settings): State<UserSettings>,
    Path(user): Path<String>,
    Json(new): Json<Settings>,
) -> Result<StatusCode, Problem> {
    settings.insert(&user, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}
