//! The interface of cached collections: how entries are read from the server, and which changes
//! affect them.

use super::key::EntryKey;
use crate::command::Command;
use crate::command::Part;
use crate::error::{Attempt, Result};
use crate::events::ChangeEvent;
use crate::request::Request;

/// A collection whose entries are cached.
pub trait EntrySource: Send + Sync + 'static {
    /// The commands that read entries, all sent in one round trip.
    fn commands(&self, keys: &[EntryKey]) -> Vec<Command<Part>>;

    /// The entries in the replies to these commands, for each of the keys.
    fn fetched(&self, replies: Vec<Result<Part>>) -> Result<Vec<Fetched>>;

    /// The entries that a change of a server's key may affect.
    fn affected<'a>(&self, key: &'a [u8]) -> Affected<'a>;

    /// The entries that a change event is about.
    fn affected_by<'a>(&self, event: ChangeEvent<'a>) -> Affected<'a> {
        entry(event)
    }

    /// The entries that a write may have changed.
    fn written<'a>(&self, write: &'a Request) -> Vec<Affected<'a>>;

    /// The attempt that an error of reading an entry reports.
    fn attempt(&self, key: &[u8]) -> Attempt;
}

/// An entry as stored on the server.
#[derive(Debug, PartialEq)]
pub struct Fetched {
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) lifetime: Lifetime,
}

/// How long an entry remains valid if no client changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lifetime {
    /// It vanished while it was read.
    Over,
    Milliseconds(u64),
    Unlimited,
}

/// The entries that a change affects.
#[derive(Debug, PartialEq)]
pub enum Affected<'a> {
    Nothing,
    Entry(&'a [u8]),
    All,
}

impl Lifetime {
    /// Reads the replies of `PTTL` and `HPTTL`.
    pub(crate) fn read(left: i64) -> Self {
        match left {
            -1 => Lifetime::Unlimited,
            left => u64::try_from(left).map_or(Lifetime::Over, Lifetime::Milliseconds),
        }
    }
}

/// The entry that an event is about.
pub(crate) fn entry(event: ChangeEvent<'_>) -> Affected<'_> {
    match event {
        ChangeEvent::Inserted(key)
        | ChangeEvent::Updated(key)
        | ChangeEvent::Notified(key, _)
        | ChangeEvent::Removed(key)
        | ChangeEvent::Expired(key)
        | ChangeEvent::Touched(key) => Affected::Entry(key),
        ChangeEvent::Cleared | ChangeEvent::Missed => Affected::All,
    }
}
