//! A service that makes thumbnails. `docs/tutorial.md` develops it step by step.

pub mod app;
pub mod config;
pub mod flags;
pub mod image;
pub mod images;
pub mod info;
pub mod monitoring;
pub mod open;
pub mod problem;
pub mod settings;
pub mod shutdown;
pub mod store;
pub mod worker;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
