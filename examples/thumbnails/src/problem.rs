//! Errors as responses.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use redis_collections::Error;

use crate::image::BadImage;

#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    message: String,
}

impl Problem {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such image")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.message)).into_response()
    }
}

impl From<BadImage> for Problem {
    fn from(error: BadImage) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

/// The log has the error; the response only says whether to try again.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        log::warn!("{error}");
        // The loader of a cache may have been the first to meet the error.
        if error.load_error::<Error>().unwrap_or(&error).is_transient() {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again later")
        } else {
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}
