//! The collections: the commands behind each operation. All their I/O goes through an executor.

#[cfg(feature = "near-cache")]
mod cached;
mod iteration;
mod key;
mod lend;
mod list;
mod list_range;
mod list_wait;
mod map;
mod name;
mod set;
mod set_scan;
mod subscribe;

#[cfg(feature = "near-cache")]
pub use self::cached::{Cached, CachedDict, CachedHashDict, NearCacheSettings, OnDisconnect};
pub(crate) use self::iteration::Cursor;
pub use self::iteration::Scan;
pub use self::key::RedisKey;
pub use self::lend::Lend;
pub use self::list::RedisList;
pub(crate) use self::map::ttl;
pub use self::map::{Increment, RedisDict, RedisHashDict, Ttl};
pub use self::name::Name;
pub use self::set::RedisSet;
