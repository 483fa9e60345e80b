//! Connections that block their thread.

mod connection;
mod dedicated;
mod large_keys;
mod listener;
mod node;
mod pool;
mod shared;
#[cfg(feature = "r2d2-pool")]
mod user_pool;

pub(super) use self::connection::Connection;
pub(crate) use self::node::BlockingNode;
pub(crate) use self::pool::PoolSettings;
