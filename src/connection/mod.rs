//! Connections to one server.

mod blocking;
mod connector;
mod exclusive;
mod framing;
mod handshake;
mod health;
mod idle;
mod node;
mod observed;
mod push;
pub(crate) mod server_info;
mod stream;
#[cfg(test)]
mod stub_node;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "async")]
mod tokio;
mod transport_error;
mod url;

#[cfg(test)]
pub(crate) use self::blocking::usual_reply;
pub(crate) use self::blocking::{BlockingNode, PoolSettings};
#[cfg(test)]
pub(crate) use self::connector::timed_out;
pub(crate) use self::connector::{Connector, DEFAULT_CALL_TIMEOUT, DEFAULT_TIMEOUT};
pub(crate) use self::exclusive::ExclusiveConnection;
pub(crate) use self::node::{ListenOptions, Node, SilencePolicy, repeatable};
pub(crate) use self::push::{Push, PushHandler};
#[cfg(test)]
pub(crate) use self::stub_node::{Stub, StubNode};
#[cfg(feature = "tls")]
pub(crate) use self::tls::Certificates;
#[cfg(feature = "async")]
pub(crate) use self::tokio::AsyncNode;
pub(crate) use self::transport_error::{TransportError, TransportResult};
#[cfg(feature = "testing")]
pub(crate) use self::url::connection_info;
#[cfg(test)]
pub(crate) use self::url::read_url;
