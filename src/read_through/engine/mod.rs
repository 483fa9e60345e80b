//! What both kinds of read-through caches do, once it is known where a value is.
//!
//! `get` is the way of a call, `await_loads` where it waits, `run_loads` the way of a load; `commands` and the
//! scripts in `lua` are what the server does, and `sending` repeats what was lost; `single_flight` has the
//! loads that callers share, `failures` those that failed, `nesting` those that wait for each other;
//! `freshness` says what may be served.

mod await_loads;
mod commands;
mod entry_location;
mod failures;
mod freshness;
mod get;
mod loader;
mod lookup;
#[cfg(feature = "near-cache")]
mod near;
mod nesting;
mod pending_load;
mod pyredis;
#[cfg(feature = "metrics")]
mod report;
mod run_loads;
mod sending;
mod single_flight;
mod state;
mod stats;

pub(super) use self::commands::Commands;
pub(super) use self::entry_location::{Ids, Named, Names, One, Pair, Spot, is_aside};
pub(super) use self::freshness::Freshness;
pub(super) use self::loader::Loaders;
pub use self::loader::{Loaded, LoadedMany};
#[cfg(feature = "near-cache")]
pub(super) use self::near::Near;
pub(super) use self::pyredis::prefix as pyredis_prefix;
#[cfg(test)]
pub(crate) use self::pyredis::read_id;
pub(super) use self::single_flight::Flights;
pub(super) use self::state::{Engine, Found};
pub(super) use self::stats::Counts;
pub use self::stats::ReadThroughStats;

/// A name that nobody has had: of those who may store what they load.
fn generation() -> String {
    format!("{:032x}", fastrand::u128(..))
}
