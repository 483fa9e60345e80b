//! Near caches: values kept in this program for as long as they are known to be what the server has.
//!
//! `shard` and `lease` are the protocol, without I/O, clocks or threads; `model` goes through all that
//! can happen to them. `cache` puts them together with a concurrent cache.

mod audience;
mod cache;
mod lead;
mod lease;
#[cfg(test)]
mod model;
mod reader;
#[cfg(feature = "metrics")]
mod report;
mod shard;
mod source;
mod stats;
mod tally;

pub(crate) use audience::{Hearing, Own};
pub(crate) use cache::{Bounds, Cache, Capacity, Key};
pub(crate) use reader::Reader;
pub(crate) use source::{Concerned, Fetched, Lifetime, Source, entry};
pub use stats::CacheStats;
