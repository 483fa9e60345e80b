//! What both kinds of read-through caches do, once it is known where a value is.
//!
//! `get` is the way of a call, `await_loads` where it waits, `run_loads` the way of a load;
//! `commands` and the scripts in `lua` are what the server does, and `sending` repeats what was
//! lost; `single_flight` has the loads that callers share, `failures` those that failed, `nesting`
//! those that wait for each other; `freshness` says what may be served.

mod await_loads;
mod commands;
mod entry_location;
mod failures;
mod get;
mod lookup;
mod nesting;
mod pending_load;
mod run_loads;
mod sending;
mod single_flight;
mod state;

pub(super) use self::commands::Commands;
#[cfg(feature = "near-cache")]
pub(super) use self::commands::Mode;
pub(super) use self::entry_location::{EntryLocation, Ids, Named, Names, One, Pair, is_lease_key};
#[cfg(feature = "near-cache")]
pub(super) use self::lookup::Lookup;
pub(super) use self::single_flight::SingleFlight;
pub(super) use self::state::{Engine, Found};
