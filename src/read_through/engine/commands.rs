//! Builds the commands for the server, and parses the replies.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::entry_location::EntryLocation;
use crate::changes::ChangePublishing;
use crate::codec::Codec;
use crate::collections::Ttl;
use crate::collections::ttl::{self, FIELD_EXPIRY};
use crate::command::Command;
use crate::command::Part;
use crate::error::LoadError;
use crate::error::Result;
use crate::keys::{Gather, key_slot};
use crate::read_through::policy::LONGEST;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;
use crate::request::Script;

/// Builds the commands of one cache.
#[derive(Clone)]
pub(crate) struct Commands {
    /// Whether values may expire, so that their time to live is read.
    pub(crate) expires: bool,
    pub(crate) lease: Duration,
    /// How long errors are remembered.
    pub(crate) errors: Duration,
    pub(crate) publishing: Option<Arc<ChangePublishing>>,
}

/// A value as stored on the server.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct StoredEntry {
    pub(crate) bytes: Option<Vec<u8>>,
    /// The time to live in milliseconds; negative if it never expires.
    pub(crate) left: i64,
    /// Whether the value is known to be absent at its source.
    pub(crate) is_absent: bool,
}

/// Why a value is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// There is no value.
    Missing,
    /// The stored value is unusable.
    Unfit,
    /// The stored value is usable until it is loaded.
    Refresh,
    /// It is loaded again, regardless of other loads.
    Force,
}

/// The server's reply to a claim.
#[derive(Debug)]
pub(crate) enum Claim {
    Found(StoredEntry),
    /// Another program is loading it. There may be an old value.
    Busy(StoredEntry, Since),
    /// Another program failed to load it, this long ago.
    Failed(LoadError, Duration),
    Leased(LeaseToken, StoredEntry),
}

/// When a program began to wait for a load, by the server's clock: 0 if it does not wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Since(i64);

/// The right to store a value, as long as its generation is current.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeaseToken {
    generation: Vec<u8>,
    /// The value at the claim, as `store.lua` compares it.
    before: Vec<u8>,
}

/// The information that is read besides the values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupFields {
    pub(crate) left: bool,
    pub(crate) absence: bool,
}

impl Commands {
    /// Returns the commands that read values, to be sent together. All fields are of one hash.
    pub(crate) fn lookup(
        &self,
        locations: &[EntryLocation],
        wanted: LookupFields,
    ) -> Vec<Command<Part>> {
        let mut commands = vec![match locations {
            [location] => match &location.field {
                None => Request::read("GET").key(&location.key).value_part(),
                Some(name) => {
                    Request::read("HGET").key(&location.key).field::<Vec<u8>>(name).value_part()
                }
            },
            locations => of_all(locations).values_part(),
        }];
        if wanted.left {
            commands.extend(locations.iter().map(|location| match location.field {
                None => self.left(location).time_left_part(),
                Some(_) => self.left(location).times_left_part(),
            }));
        }
        if wanted.absence {
            let lease_key = |location: &EntryLocation| {
                Request::read("HGET").key(&location.lease_key()).arg(location.name())
            };
            commands.extend(locations.iter().map(|location| lease_key(location).value_part()));
            let slot = locations.first().map_or(0, |location| key_slot(&location.key));
            commands.push(Request::read("TIME").at_slot(slot).time_part());
        }
        commands
    }

    /// Requests the time to live of a value.
    fn left(&self, location: &EntryLocation) -> Request {
        match &location.field {
            None => Request::read("PTTL").key(&location.key),
            Some(name) => Request::read("HPTTL").key(&location.key).expiring_field::<Vec<u8>>(name),
        }
    }

    /// Combines the replies to [`lookup`](Self::lookup).
    pub(crate) fn looked_up(
        &self,
        locations: usize,
        wanted: LookupFields,
        replies: Vec<Result<Part>>,
    ) -> Result<Vec<StoredEntry>> {
        let mut replies = replies.into_iter();
        let values = replies.next().map_or(Ok(Vec::new()), |read| read.map(Part::values))?;
        let stored = |bytes| StoredEntry { bytes, left: -1, is_absent: false };
        let mut all: Vec<_> = values.into_iter().map(stored).collect();
        if wanted.left {
            let left = replies.by_ref().take(locations).map(|left| left.map(Part::integers));
            let left = left.collect::<Result<Vec<_>>>()?.into_iter().flatten();
            all.iter_mut().zip(left).for_each(|(stored, left)| stored.left = left);
        }
        if wanted.absence {
            let known = replies.by_ref().take(locations).map(|known| known.map(Part::values));
            let known = known.collect::<Result<Vec<_>>>()?.into_iter().flatten();
            let now = replies.next().map_or(Ok(Vec::new()), |time| time.map(Part::integers))?;
            let now = milliseconds(&now);
            for (stored, entry) in all.iter_mut().zip(known) {
                stored.is_absent = entry.and_then(|entry| absent_until(&entry)) > Some(now);
            }
        }
        Ok(all)
    }

    /// Claims the right to load a value, or requests the outcome of a load that was awaited. Errors
    /// of other programs are accepted for as long as this cache remembers its own.
    pub(crate) fn claim(
        &self,
        location: &EntryLocation,
        mode: Mode,
        since: Since,
        generation: &str,
    ) -> Command<Claim> {
        let mode = match mode {
            Mode::Missing => "miss",
            Mode::Unfit | Mode::Refresh => "replace",
            Mode::Force => "force",
        };
        let request = self.script(&CLAIM, location, self.expires).arg(mode).arg(generation);
        let request = request.milliseconds(self.lease).number(since.0);
        request.number(self.errors.as_millis()).returns(claim)
    }

    /// Stores a value, or its absence, for some time or for ever. Returns whether the right to do
    /// so was still valid.
    pub(crate) fn store<V: Codec>(
        &self,
        location: &EntryLocation,
        lease: &LeaseToken,
        value: Option<&V::Borrowed>,
        time: Option<Duration>,
    ) -> Command<bool> {
        let request = self.script(&STORE, location, time.is_some());
        let request = request.arg(&lease.generation).arg(&lease.before);
        let request = match value {
            Some(value) => lasting(request, time).arg("0").encode::<V>(value),
            None => lasting(request.arg("0"), time),
        };
        request.returns(reply::flag)
    }

    /// Gives up the right to load a value. An error is passed on to the programs that wait.
    pub(crate) fn release(
        &self,
        location: &EntryLocation,
        lease: &LeaseToken,
        error: Option<&LoadError>,
    ) -> Command<bool> {
        let request = self.script(&RELEASE, location, false).arg(&lease.generation);
        let request = request.arg(error.map(LoadError::to_bytes).unwrap_or_default());
        request.number(self.errors.as_millis()).returns(reply::flag)
    }

    /// Sets a value, and ends the right of any load to store one.
    pub(crate) fn put<V: Codec>(
        &self,
        location: &EntryLocation,
        value: &V::Borrowed,
        time: Option<Duration>,
    ) -> Command<()> {
        let request = lasting(self.script(&PUT, location, time.is_some()), time);
        request.encode::<V>(value).returns(reply::applied)
    }

    /// Removes a value, and the right of any load to store one. Returns whether there was one.
    pub(crate) fn delete(&self, location: &EntryLocation) -> Command<bool> {
        self.script(&DELETE, location, false).returns(reply::flag)
    }

    /// Removes all values of a hash, and the right of any load to store one. Returns whether there
    /// were any.
    pub(crate) fn delete_hash(&self, key: &[u8]) -> Command<bool> {
        let request =
            Request::script(&DELETE_HASH, 2).key(key).key(&super::entry_location::lease_key(key));
        request.publishes(&self.publishing).returns(reply::flag)
    }

    /// Reads the time to live of a value.
    pub(crate) fn ttl(&self, location: &EntryLocation) -> Command<Ttl> {
        self.left(location).returns(match location.field {
            None => ttl::ttl,
            Some(_) => ttl::field_ttl,
        })
    }

    /// Begins a script with the keys and arguments that `entry.lua` expects.
    fn script(&self, script: &'static Script, location: &EntryLocation, expires: bool) -> Request {
        let request = Request::script(script, 2).key(&location.key).key(&location.lease_key());
        let request = request.publishes(&self.publishing);
        let request = match &location.field {
            None => request.arg("s"),
            Some(_) if expires => request.needs(FIELD_EXPIRY).arg("x"),
            Some(_) => request.arg("h"),
        };
        let request = match &location.field {
            None => request.arg(""),
            Some(name) => request.field::<Vec<u8>>(name),
        };
        request.milliseconds(self.lease * LEASES_KEPT)
    }
}

impl EntryLocation {
    /// Returns the field of the value in the hash of loads.
    fn name(&self) -> &[u8] {
        self.field.as_deref().unwrap_or_default()
    }
}

/// Builds one command that reads all locations.
fn of_all(locations: &[EntryLocation]) -> Request {
    match locations.first() {
        Some(EntryLocation { key, field: Some(_), .. }) => Request::read("HMGET").key(key).each(
            locations,
            |request, location| request.push_field::<Vec<u8>>(location.name()),
            Value::Array(Vec::new()),
        ),
        _ => Request::read("MGET").divisible(Gather::InOrder).each(
            locations,
            |request, location| request.push_key(&location.key),
            Value::Array(Vec::new()),
        ),
    }
}

/// Appends a time to live in milliseconds, or `0` for no expiry.
fn lasting(request: Request, time: Option<Duration>) -> Request {
    match time {
        Some(time) if time > LONGEST => request.refuse("a time to live of over a thousand years"),
        Some(time) => request.milliseconds(time),
        None => request.arg("0"),
    }
}

/// Parses the reply of `claim.lua`.
fn claim(reply: Reply<'_>) -> Result<Claim> {
    let request = reply.request;
    let mut parts = reply::sequence(reply)?;
    let mut part = || match parts.next() {
        Some(value) => Ok(Reply { value, request }),
        None => Err(reply::unexpected_count(request)),
    };
    let status = reply::one::<Vec<u8>>(part()?)?;
    let (bytes, left) = (reply::raw(part()?)?, reply::time_left(part()?)?);
    let stored = StoredEntry { bytes, left, is_absent: status == b"absent" };
    let claim = match &status[..] {
        b"found" | b"absent" => Claim::Found(stored),
        b"busy" => Claim::Busy(stored, Since(reply::integer(part()?)?)),
        b"failed" => {
            let error = LoadError::from_bytes(&reply::one::<Vec<u8>>(part()?)?);
            let age = u64::try_from(reply::integer(part()?)?).unwrap_or_default();
            Claim::Failed(error, Duration::from_millis(age))
        }
        b"claimed" => {
            let mut word = || reply::one::<Vec<u8>>(part()?);
            Claim::Leased(LeaseToken { generation: word()?, before: word()? }, stored)
        }
        _ => return Err(reply::unexpected(request, "what became of a claim", &Value::Nil)),
    };
    match parts.next() {
        None => Ok(claim),
        Some(_) => Err(reply::unexpected_count(request)),
    }
}

/// Parses until when the value is known to be absent, if it is.
fn absent_until(entry: &[u8]) -> Option<i64> {
    std::str::from_utf8(entry.strip_suffix(b":")?).ok()?.parse().ok()
}

/// Converts the reply to `TIME` to milliseconds.
fn milliseconds(time: &[i64]) -> i64 {
    let [seconds, micros] = time else { return i64::MAX };
    seconds.saturating_mul(1000).saturating_add(micros / 1000)
}

/// For how many leases a load is remembered after its lease.
const LEASES_KEPT: u32 = 60;

macro_rules! script {
    ($name:literal, $file:literal) => {
        Script::new(
            $name,
            concat!(
                include_str!("../../collections/map/field_expiry.lua"),
                include_str!("lua/entry.lua"),
                include_str!(concat!("lua/", $file)),
            ),
        )
    };
}

static CLAIM: Script = script!("load", "claim.lua");
static STORE: Script = script!("store", "store.lua");
static RELEASE: Script = script!("release", "release.lua");
static PUT: Script = script!("set_value", "put.lua");
static DELETE: Script = script!("delete", "delete.lua");
static DELETE_HASH: Script = Script::new("delete_hash", include_str!("lua/delete_hash.lua"));
