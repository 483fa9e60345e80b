use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use super::kind::Kind;
use super::value::Value;

/// The value and status of a keyword at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The keyword.
    pub keyword: String,
    /// Its type.
    pub kind: Kind,
    /// The value. A text if it is not a value of the type; an empty text if there is none yet.
    pub value: Value,
    /// The value as stored in Redis.
    pub text: String,
    /// The state of the keyword at its dispatcher.
    pub status: Status,
    /// Why its dispatcher last failed, if it has not succeeded since.
    pub error: Option<String>,
    /// When the dispatcher last set it, by the server's clock. `None` for a Cauldron dispatcher,
    /// and after a shutdown.
    pub set_at: Option<SystemTime>,
    /// Whether a dispatcher serves the keyword: its lease has not expired, and it has published a
    /// description of the keyword. Of a Cauldron dispatcher only the registration is known, which
    /// stays after a crash.
    pub is_served: bool,
    /// How old the value was when it was read, by the server's clock.
    pub(super) age: Option<Duration>,
    pub(super) read_at: Instant,
    /// When its dispatcher last changed anything of it, in microseconds of the server's clock.
    pub(super) changed: Option<u64>,
}

impl Reading {
    /// Returns whether everything that may change is equal in `other`.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let state = |it: &Self| (it.kind, it.status, it.is_served);
        state(self) == state(other) && (&self.text, &self.error) == (&other.text, &other.error)
    }

    /// Returns how long ago the dispatcher set the value, independent of the clocks of the
    /// machines. `None` for a Cauldron dispatcher, and after a shutdown.
    pub fn age(&self) -> Option<Duration> {
        self.age.map(|age| age.saturating_add(self.read_at.elapsed()))
    }
}

/// The state of a keyword at its dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// There is no value yet.
    Init,
    /// A client's write is running, until it has its outcome. Values that the dispatcher sets
    /// meanwhile do not end this status.
    Modify,
    /// The keyword has its value.
    Ready,
    /// The last write failed, and none has succeeded since. Or the dispatcher failed to set or
    /// determine the value, until it succeeds.
    Error,
    /// The server has no status, or one that is unknown here.
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

/// Writes the name of the status on the wire.
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
