use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Value;

use crate::codec::Codec;
use crate::error::Result;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;

/// The remaining time to live of a key or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// It does not exist.
    Missing,
    /// It exists and does not expire.
    Never,
    /// It expires after this time, to the millisecond.
    Left(Duration),
}

impl Ttl {
    /// Reads the form of `PTTL`: -1 means never, and -2 missing.
    fn from_milliseconds(milliseconds: i64) -> Self {
        match u64::try_from(milliseconds) {
            Ok(milliseconds) => Ttl::Left(Duration::from_millis(milliseconds)),
            Err(_) if milliseconds == -1 => Ttl::Never,
            Err(_) => Ttl::Missing,
        }
    }
}

/// Reads the reply of `PTTL`.
pub(crate) fn ttl(reply: Reply<'_>) -> Result<Ttl> {
    reply::time_left(reply).map(Ttl::from_milliseconds)
}

/// Reads the reply of `HPTTL` for one field.
pub(crate) fn field_ttl(reply: Reply<'_>) -> Result<Ttl> {
    let [left] = reply::parts(reply)?;
    ttl(left)
}

/// Reads the reply of `HPEXPIRE` and its kin for one field: whether it existed and was changed. The
/// codes run from -2, no such field, to 2, removed immediately.
pub(crate) fn field_changed(reply: Reply<'_>) -> Result<bool> {
    let request = reply.request;
    match reply::one_integer(reply)? {
        outcome @ -2..=2 => Ok(outcome > 0),
        outcome => Err(reply::unexpected(request, "an outcome", &Value::Int(outcome))),
    }
}

impl Request {
    /// Appends one field to a command on the expiration of fields.
    pub(crate) fn expiring_field<K: Codec>(self, field: &K::Borrowed) -> Self {
        self.arg("FIELDS").number(1).field::<K>(field).needs(FIELD_EXPIRY)
    }

    /// Appends a point in time in milliseconds since 1970.
    pub(crate) fn instant(self, time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => self.milliseconds(since),
            Err(_) => self.refuse("a point in time before 1970"),
        }
    }
}

/// The servers on which fields expire.
pub(crate) const FIELD_EXPIRY: &str = "Redis 7.4 or Valkey 9";
