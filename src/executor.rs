//! Who runs commands: the only part of the crate that does I/O.

#[cfg(feature = "async")]
mod async_client;
#[cfg(feature = "async")]
mod async_connection;
#[cfg(feature = "async")]
mod async_listener;
#[cfg(feature = "async")]
mod async_node;
#[cfg(feature = "async")]
mod async_stream;
#[cfg(feature = "async")]
mod async_waiting;
#[cfg(feature = "async")]
mod background;
mod block_on;
mod blocking_connection;
mod blocking_node;
mod builder;
mod call;
mod client;
mod cluster;
mod connection;
mod counterpart;
mod deferred;
mod executor;
mod fault;
mod feed;
mod given;
#[cfg(feature = "async")]
mod greeting;
mod handler;
mod handshake;
mod idle;
mod info;
mod keyspace;
mod link;
mod listener;
#[cfg(feature = "async")]
mod multiplexed;
mod node;
mod open;
#[cfg(feature = "async")]
mod outstanding;
#[cfg(feature = "async")]
mod packed;
mod pipeline;
mod pool;
pub(crate) mod pulse;
mod retry;
mod round_trips;
mod router;
mod sentinel;
mod servers;
mod session;
mod signal;
mod solitary;
mod speech;
mod spread;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod topology;
mod trip;
mod url;
mod verdict;
mod vigil;
mod wait;
mod waiting;
mod witness;

#[cfg(feature = "async")]
pub use async_client::{AsyncClient, ReplyFuture};
pub(crate) use block_on::finish;
pub use builder::ClientBuilder;
pub use client::Client;
#[cfg(test)]
pub(crate) use cluster::read_slots;
pub(crate) use counterpart::Counterpart;
pub use deferred::Deferred;
pub use executor::Executor;
pub(crate) use executor::sealed::Machinery;
pub(crate) use feed::{Feed, has_ended};
pub(crate) use handler::{Audience, Situation, Wish};
pub use pipeline::Pipeline;
pub(crate) use retry::{Deadline, Pauses};
pub use round_trips::RoundTrips;
pub(crate) use servers::Bearing;
#[cfg(feature = "keyword")]
pub(crate) use session::OF_STRINGS;
pub(crate) use session::canaries;
pub(crate) use signal::Signal;
pub(crate) use speech::Speech;
pub(crate) use topology::Topology;
#[cfg(test)]
pub(crate) use url::read_url;
pub(crate) use witness::Witness;
