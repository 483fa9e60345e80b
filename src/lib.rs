//! Typed collections that live in Redis or Valkey.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod codec;
mod collections;
mod command;
mod error;
mod executor;
#[cfg(feature = "local-server")]
mod local_server;
mod protocol;
mod reply;
mod request;
mod script;

#[cfg(feature = "bincode")]
pub use codec::Bincode;
#[cfg(feature = "msgpack")]
pub use codec::MessagePack;
#[cfg(feature = "pickle")]
pub use codec::Pickle;
#[cfg(feature = "pydict")]
pub use codec::PyDict;
pub use codec::{Canonical, Codec, CodecError, Lenient, Undecodable};
#[cfg(feature = "json")]
pub use codec::{Json, PyJson};
pub use collections::{
    Increment, Name, RedisDict, RedisHashDict, RedisKey, RedisList, RedisSet, Scan, Ttl,
};
pub use command::{Command, Wait};
pub use error::{Applied, Attempt, Error, Result};
pub use executor::{Client, ClientBuilder, Deferred, Executor, Pipeline, RoundTrips};
#[cfg(feature = "local-server")]
pub use local_server::LocalServer;
