//! Near caches: values kept in this program for as long as they are known to match the server.
//!
//! `shard` and `lease` are the protocol, without I/O, clocks or threads; `model` explores
//! everything that can happen to them. `cache` combines them with a concurrent cache.

mod cache;
mod fill;
mod invalidation;
mod key;
mod lease;
#[cfg(test)]
mod model;
mod reader;
#[cfg(feature = "metrics")]
mod report;
mod shard;
mod source;
mod stats;
mod striped_counter;

pub(crate) use self::invalidation::{OwnWrites, ServerChanges};
pub(crate) use cache::{Bounds, Cache, Capacity};
pub(crate) use key::{EntryKey, KeyRef};
pub(crate) use reader::NearReader;
pub(crate) use source::{Affected, EntrySource, Fetched, Lifetime, entry};
pub use stats::NearCacheStats;
