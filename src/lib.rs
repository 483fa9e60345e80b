//! Typed collections that live in Redis or Valkey.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod codec;

pub use codec::{Canonical, Codec, CodecError};
