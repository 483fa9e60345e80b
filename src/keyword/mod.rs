//! The keyword service: named, typed values that instruments, services and control programs
//! publish. Clients on other machines read them, write them with an acknowledgement, and watch
//! them.
//!
//! Keys, channels and statuses are those of the Redis backend of the Python package Cauldron, so
//! that dispatchers and clients of both work together.
//!
//! A service is on one server, or on the master that Sentinels name. A cluster is refused: the keys
//! have the names that Cauldron gives them, which are in many slots.
//!
//! # Rights
//!
//! These are enough for users of the service `dome` in database 0, after `-@all` and
//! `resetchannels`. With `%R~` in place of `~`, from Redis 7 on, a reader and a writer lose
//! nothing, with one exception: a writer waits for outcomes with `BLMOVE` only if
//! `~P.dome~rc:outcome:*` and that command are granted too, and polls for them otherwise. `P` is
//! `Cauldron.redis.common`.
//!
//! | user | commands | keys and channels |
//! |---|---|---|
//! | reader | `+mget +hmget +hget +get +exists +sismember +hscan +pttl +time +subscribe +psubscribe` | `~P.dome.* ~P.dome~rc:* ~P.SERVICES_REGISTRY &P.dome~rc:changed:* &__keyspace@0__:P.dome.*` |
//! | writer | `+evalsha +eval +publish +exists +sismember +get +time +pubsub\|numsub +lindex` | `~P.dome.*:type ~P.dome~rc:lease ~P.dome~rc:closing ~P.dome~rc:outcome:* ~P.SERVICES_REGISTRY &P.dome~rc:request:*` |
//! | dispatcher | `+evalsha +eval +get +mget +set +del +unlink +exists +hget +hmget +hkeys +hset +pttl +pexpire +sadd +srem +sismember +rpush +lindex +publish +subscribe +psubscribe +pubsub +multi +exec +time`, beyond database 0 `+select` | `~P.dome.* ~P.dome~rc:* ~P.SERVICES_REGISTRY &P.dome~rc:* &P.dome.*` |
//!
//! A monitor of more than a hundred keywords subscribes to patterns, which a server compares
//! literally with the granted ones. `+config|get +config|set` let any of these users turn on
//! keyspace notifications. Listing services requires `+sscan` and `~P.SERVICES_REGISTRY`. Whether a
//! service without a lease is served is determined with `+pubsub|channels +hkeys`. A reader without
//! `+sismember` and `~P.SERVICES_REGISTRY` takes a service whose dispatcher was shut down for a
//! Cauldron service that is [served](Reading::is_served). The keywords of a service without
//! descriptions, which is a Cauldron service or not served, are found with `+scan`. Redis does not
//! distinguish between channels to publish on and to subscribe to: a user with `+publish` and a
//! reader's channels can announce values that do not exist.

mod client;
mod definition;
mod description;
mod dispatcher;
mod handle;
mod hook;
mod keyword_value;
mod kind;
mod message;
mod names;
mod reading;
mod service_definition;
mod soundness;
mod updates;
mod value;

#[cfg(test)]
pub(crate) use self::client::read_description;
pub use self::client::{Client, Service, ServiceState};
pub use self::definition::Keyword;
pub use self::description::{Access, Description};
pub use self::dispatcher::{Dispatcher, DispatcherBuilder};
pub use self::handle::Handle;
pub use self::hook::Change;
pub use self::keyword_value::KeywordValue;
pub use self::kind::Kind;
#[cfg(test)]
pub(crate) use self::message::read_message;
#[cfg(test)]
pub(crate) use self::names::keys_of;
pub use self::reading::{Reading, Status};
pub use self::service_definition::ServiceDefinition;
pub use self::updates::{Monitor, Watch};
pub use self::value::Value;
pub use crate::error::KeywordError;
