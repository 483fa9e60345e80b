use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use super::kind::Kind;
use super::value::Value;

/// A keyword's value and status, as they were read or told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The keyword.
    pub keyword: String,
    /// Its type.
    pub kind: Kind,
    /// The value. What is not a value of the type is a text; a keyword that has none yet has an
    /// empty text.
    pub value: Value,
    /// The value as it lies in Redis.
    pub text: String,
    /// What its dispatcher is doing with it.
    pub status: Status,
    /// Why its dispatcher last failed, if it has not succeeded since.
    pub error: Option<String>,
    /// When the dispatcher last set it, by the server's clock. Unknown of a dispatcher that is
    /// Cauldron's, or was shut down.
    pub set_at: Option<SystemTime>,
    /// Whether a dispatcher serves the keyword: its lease has not run out, and the keyword is one
    /// of those that it describes. Of one that is Cauldron's only whether it is registered is
    /// known, as it is after a crash.
    pub is_served: bool,
    /// How old it was when it was read, by the server's clock.
    pub(super) age: Option<Duration>,
    pub(super) read_at: Instant,
    /// When its dispatcher last changed anything of it, in microseconds of the server's clock.
    pub(super) changed: Option<u64>,
}

impl Reading {
    /// Whether all that may change is as in `other`.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let told = |it: &Self| (it.kind, it.status, it.is_served);
        told(self) == told(other) && (&self.text, &self.error) == (&other.text, &other.error)
    }

    /// How long ago the dispatcher set the value, whatever the clocks of the machines show. Unknown
    /// of a dispatcher that is Cauldron's, or was shut down.
    pub fn age(&self) -> Option<Duration> {
        self.age.map(|age| age.saturating_add(self.read_at.elapsed()))
    }
}

/// What a dispatcher is doing with a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It has no value yet.
    Init,
    /// A client's write is done, until it has its outcome. Values that the dispatcher sets
    /// meanwhile do not end that.
    Modify,
    /// It has its value.
    Ready,
    /// The last write failed, and stays so until one succeeds; or the dispatcher has failed to set
    /// or find out the value, which is over when it does.
    Error,
    /// Nobody says.
    Unknown,
}

impl Status {
    pub(crate) fn named(name: &[u8]) -> Self {
        match name {
            b"init" => Self::Init,
            b"modify" => Self::Modify,
            b"ready" => Self::Ready,
            b"error" => Self::Error,
            _ => Self::Unknown,
        }
    }
}

/// What it is called on the wire.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Modify => "modify",
            Self::Ready => "ready",
            Self::Error => "error",
            Self::Unknown => "unknown",
        })
    }
}
