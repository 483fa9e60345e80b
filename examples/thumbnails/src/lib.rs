//! A service that makes thumbnails. `docs/tutorial.md` develops it step by step.

pub mod config;
pub mod image;
pub mod images;
pub mod problem;
pub mod shutdown;
pub mod store;
pub mod worker;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
