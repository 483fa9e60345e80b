//! Connections that block their thread.

mod connection;
mod dedicated;
mod incoming;
mod large_keys;
mod listener;
mod node;
mod pool;
mod sent;
mod shared;
mod simple_reply;
#[cfg(feature = "r2d2-pool")]
mod user_pool;

pub(super) use self::connection::Connection;
pub(crate) use self::node::BlockingNode;
pub(crate) use self::pool::PoolSettings;
#[cfg(test)]
pub(crate) use self::simple_reply::simple_reply;
