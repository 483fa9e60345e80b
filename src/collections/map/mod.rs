//! Dictionaries: over string keys, and over the fields of a hash.

mod dict;
mod dict_expiry;
pub(super) mod dict_scan;
mod dict_update;
mod hash_dict;
mod hash_expiry;
pub(super) mod hash_scan;
mod hash_update;
mod increment;
mod prefix;
pub(crate) mod ttl;
mod update;

pub use self::dict::RedisDict;
pub use self::hash_dict::RedisHashDict;
pub use self::increment::Increment;
#[cfg(feature = "near-cache")]
pub(super) use self::prefix::Prefix;
pub use self::ttl::Ttl;
