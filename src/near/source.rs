//! What is cached, and how it is read from the server.

use super::cache::Key;
use crate::command::Command;
use crate::command::Part;
use crate::error::{Attempt, Result};
use crate::events::ChangeEvent;
use crate::request::Request;

/// A collection whose entries are cached.
pub trait Source: Send + Sync + 'static {
    /// The commands that read entries, all of which travel together.
    fn commands(&self, keys: &[Key]) -> Vec<Command<Part>>;

    /// What the replies to these commands bring, for each of the keys.
    fn fetched(&self, replies: Vec<Result<Part>>) -> Result<Vec<Fetched>>;

    /// Which entries may have changed when a key of the server did.
    fn affected<'a>(&self, key: &'a [u8]) -> Affected<'a>;

    /// Which entries something that was told is about.
    fn told<'a>(&self, told: ChangeEvent<'a>) -> Affected<'a> {
        entry(told)
    }

    /// Which entries a write may have changed.
    fn written<'a>(&self, write: &'a Request) -> Vec<Affected<'a>>;

    /// What is attempted when an entry is read.
    fn attempt(&self, key: &[u8]) -> Attempt;
}

/// An entry as the server has it.
#[derive(Debug, PartialEq)]
pub struct Fetched {
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) lifetime: Lifetime,
}

/// How long an entry stays what it is, if nobody changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lifetime {
    /// It vanished while it was read.
    Over,
    Milliseconds(u64),
    Unlimited,
}

#[derive(Debug, PartialEq)]
pub enum Affected<'a> {
    Nothing,
    Entry(&'a [u8]),
    All,
}

impl Lifetime {
    /// What `PTTL` and `HPTTL` answer.
    pub(crate) fn read(left: i64) -> Self {
        match left {
            -1 => Lifetime::Unlimited,
            left => u64::try_from(left).map_or(Lifetime::Over, Lifetime::Milliseconds),
        }
    }
}

/// The entry that something is about.
pub(crate) fn entry(told: ChangeEvent<'_>) -> Affected<'_> {
    match told {
        ChangeEvent::Inserted(key)
        | ChangeEvent::Updated(key)
        | ChangeEvent::Notified(key, _)
        | ChangeEvent::Removed(key)
        | ChangeEvent::Expired(key)
        | ChangeEvent::Touched(key) => Affected::Entry(key),
        ChangeEvent::Cleared | ChangeEvent::Missed => Affected::All,
    }
}
