//! The collections: what each operation sends. They do no I/O and know no client.

mod bulk;
#[cfg(feature = "near-cache")]
mod cacheable;
#[cfg(feature = "near-cache")]
mod cached;
#[cfg(feature = "near-cache")]
mod cached_source;
mod cursor;
mod dict;
mod dict_expiry;
mod dict_scan;
mod dict_update;
mod hash_dict;
mod hash_expiry;
mod hash_scan;
mod hash_update;
mod increment;
mod key;
mod list;
mod list_range;
mod list_wait;
mod name;
#[cfg(feature = "near-cache")]
mod near_cache;
mod prefix;
mod scan;
mod set;
mod set_scan;
mod subscribe;
mod ttl;
mod update;

#[cfg(feature = "near-cache")]
pub use cached::{Cached, CachedDict, CachedHashDict};
pub(crate) use cursor::Cursor;
pub use dict::RedisDict;
pub use hash_dict::RedisHashDict;
pub use increment::Increment;
pub use key::RedisKey;
pub use list::RedisList;
pub use name::Name;
#[cfg(feature = "near-cache")]
pub use near_cache::{NearCache, WhileCutOff};
pub use scan::Scan;
pub use set::RedisSet;
pub use ttl::Ttl;
