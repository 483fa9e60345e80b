//! Typed collections that live in Redis or Valkey.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod codec;
#[cfg(feature = "local-server")]
mod local_server;

pub use codec::{Canonical, Codec, CodecError};
#[cfg(feature = "local-server")]
pub use local_server::LocalServer;
