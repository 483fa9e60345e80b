//! Reception of the servers' push messages.

mod feed;
mod handler;
pub(crate) mod heartbeat;
mod keyspace;
mod link;
mod listener;
mod session;

pub(crate) use self::feed::{Feed, has_ended};
pub(crate) use self::handler::{FeedHandler, FeedInfo, FeedOptions};
#[cfg(feature = "keyword")]
pub(crate) use self::listener::OF_STRINGS;
pub(crate) use self::listener::canaries;
