//! Connections that tasks of tokio share.

mod background;
mod connecting;
mod connection;
mod dedicated;
mod exchange;
mod greeting;
mod listener;
mod multiplexed;
mod node;
mod outstanding;
mod packed;
mod stream;

pub(crate) use self::node::AsyncNode;
