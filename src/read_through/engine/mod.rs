//! The engine of both kinds of read-through caches, for values whose location is known.
//!
//! `get` handles a call, `await_loads` its waiting, and `run_loads` a load, which `claim_loads`
//! claims and `store_loads` stores. `commands` and the scripts in `lua` run on the server, and
//! `sending` retries after a lost connection. `single_flight` keeps the loads that callers share,
//! `failures` those that failed, and `nesting` those that wait for each other. `freshness` decides
//! whether a value may be served.

mod await_loads;
mod claim_loads;
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
mod store_loads;

pub(super) use self::commands::Commands;
#[cfg(feature = "near-cache")]
pub(super) use self::commands::Mode;
pub(super) use self::entry_location::{
    EntryIds, EntryLocation, HashAndId, NameResult, Names, OneId, is_lease_key,
};
#[cfg(feature = "near-cache")]
pub(super) use self::lookup::Lookup;
pub(super) use self::single_flight::SingleFlight;
pub(super) use self::state::{Engine, SharedValue};
