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
#[cfg(feature = "r2d2-pool")]
mod user_pool;
mod usual_reply;

pub(super) use self::connection::Connection;
pub(crate) use self::node::BlockingNode;
pub(crate) use self::pool::PoolSettings;
#[cfg(test)]
pub(crate) use self::usual_reply::usual_reply;
