//! What is sent to the server, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::policy::LONGEST;
use super::spot::Spot;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::Result;
use crate::load_error::LoadError;
use crate::notices::Notices;
use crate::place::{Gather, key_slot};
use crate::reply::{self, Part, Reply};
use crate::request::Request;
use crate::script::Script;

/// How values are kept.
#[derive(Clone)]
pub(super) struct Commands {
    /// Whether values may expire, so that it is asked for how long they live.
    pub(super) expires: bool,
    pub(super) lease: Duration,
    /// How long errors are remembered.
    pub(super) errors: Duration,
    pub(super) notices: Option<Arc<Notices>>,
}

/// A value as the server has it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stored {
    pub(super) bytes: Option<Vec<u8>>,
    /// In how many milliseconds it expires; a negative number is never.
    pub(super) left: i64,
    /// Whether the source is known to have none.
    pub(super) is_absent: bool,
}

/// Why a value is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// There is none.
    Missing,
    /// There is one that cannot be used.
    Unfit,
    /// There is one that will do until it is loaded.
    Refresh,
    /// It is wanted anew, whoever else loads it.
    Force,
}

/// What the server says to somebody who wants to load a value.
#[derive(Debug)]
pub(super) enum Claim {
    Found(Stored),
    /// Somebody else loads it. There may be an old one.
    Busy(Stored, Since),
    /// Another program failed to load it, so long ago.
    Failed(LoadError, Duration),
    Claimed(Lease, Stored),
}

/// From when on somebody waits for a load, by the server's clock: 0 if not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Since(i64);

/// The right to store a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lease {
    generation: Vec<u8>,
    /// What was there.
    before: Vec<u8>,
}

/// What is to be read along with values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) left: bool,
    pub(super) absence: bool,
}

impl Commands {
    /// The commands that read values, which travel together. All fields are of one hash.
    pub(super) fn look(&self, spots: &[Spot], wanted: Wanted) -> Vec<Command<Part>> {
        let mut commands = vec![match spots {
            [spot] => match &spot.field {
                None => Request::read("GET").key(&spot.key).value_part(),
                Some(name) => {
                    Request::read("HGET").key(&spot.key).field::<Vec<u8>>(name).value_part()
                }
            },
            spots => of_all(spots).values_part(),
        }];
        if wanted.left {
            commands.extend(spots.iter().map(|spot| match spot.field {
                None => self.left(spot).time_left_part(),
                Some(_) => self.left(spot).times_left_part(),
            }));
        }
        if wanted.absence {
            let aside = |spot: &Spot| Request::read("HGET").key(&spot.aside()).arg(spot.name());
            commands.extend(spots.iter().map(|spot| aside(spot).value_part()));
            let slot = spots.first().map_or(0, |spot| key_slot(&spot.key));
            commands.push(Request::read("TIME").at_slot(slot).time_part());
        }
        commands
    }

    fn left(&self, spot: &Spot) -> Request {
        match &spot.field {
            None => Request::read("PTTL").key(&spot.key),
            Some(name) => {
                let request = Request::read("HPTTL").key(&spot.key).arg("FIELDS").number(1);
                request.field::<Vec<u8>>(name).needs(FIELD_EXPIRY)
            }
        }
    }

    /// What the replies to [`look`](Self::look) bring.
    pub(super) fn looked(
        &self,
        spots: usize,
        wanted: Wanted,
        replies: Vec<Result<Part>>,
    ) -> Result<Vec<Stored>> {
        let mut replies = replies.into_iter();
        let values = replies.next().map_or(Ok(Vec::new()), |read| read.map(Part::values))?;
        let stored = |bytes| Stored { bytes, left: -1, is_absent: false };
        let mut all: Vec<_> = values.into_iter().map(stored).collect();
        if wanted.left {
            let left = replies.by_ref().take(spots).map(|left| left.map(Part::integers));
            let left = left.collect::<Result<Vec<_>>>()?.into_iter().flatten();
            all.iter_mut().zip(left).for_each(|(stored, left)| stored.left = left);
        }
        if wanted.absence {
            let known = replies.by_ref().take(spots).map(|known| known.map(Part::values));
            let known = known.collect::<Result<Vec<_>>>()?.into_iter().flatten();
            let now = replies.next().map_or(Ok(Vec::new()), |time| time.map(Part::integers))?;
            let now = milliseconds(&now);
            for (stored, entry) in all.iter_mut().zip(known) {
                stored.is_absent = entry.and_then(|entry| absent_until(&entry)) > Some(now);
            }
        }
        Ok(all)
    }

    /// Claims the right to load a value, or asks what came of a load that was waited for. Errors of other
    /// programs count for as long as ours are remembered.
    pub(super) fn claim(
        &self,
        spot: &Spot,
        mode: Mode,
        since: Since,
        generation: &str,
    ) -> Command<Claim> {
        let mode = match mode {
            Mode::Missing => "miss",
            Mode::Unfit | Mode::Refresh => "replace",
            Mode::Force => "force",
        };
        let request = self.script(&CLAIM, spot, self.expires).arg(mode).arg(generation);
        let request = request.milliseconds(self.lease).number(since.0);
        request.number(self.errors.as_millis()).returns(claim)
    }

    /// Keeps a value, or that there is none, for some time or for ever. Says whether the right to do
    /// so was still there.
    pub(super) fn store<V: Codec>(
        &self,
        spot: &Spot,
        lease: &Lease,
        value: Option<&V::Borrowed>,
        time: Option<Duration>,
    ) -> Command<bool> {
        let request = self.script(&STORE, spot, time.is_some());
        let request = request.arg(&lease.generation).arg(&lease.before);
        let request = match value {
            Some(value) => lasting(request, time).arg("0").encode::<V>(value),
            None => lasting(request.arg("0"), time),
        };
        request.returns(reply::flag)
    }

    /// Gives back the right to load a value. If that is because of an error, those who wait learn of it.
    pub(super) fn release(
        &self,
        spot: &Spot,
        lease: &Lease,
        error: Option<&LoadError>,
    ) -> Command<bool> {
        let request = self.script(&RELEASE, spot, false).arg(&lease.generation);
        let request = request.arg(error.map(LoadError::to_bytes).unwrap_or_default());
        request.number(self.errors.as_millis()).returns(reply::flag)
    }

    /// Sets a value, whoever loads it.
    pub(super) fn put<V: Codec>(
        &self,
        spot: &Spot,
        value: &V::Borrowed,
        time: Option<Duration>,
    ) -> Command<()> {
        let request = lasting(self.script(&PUT, spot, time.is_some()), time);
        request.encode::<V>(value).returns(reply::applied)
    }

    /// Removes a value, whoever loads it, and says whether there was one.
    pub(super) fn delete(&self, spot: &Spot) -> Command<bool> {
        self.script(&DELETE, spot, false).returns(reply::flag)
    }

    /// Removes all values of a hash, whoever loads them, and says whether there were any.
    pub(super) fn delete_hash(&self, key: &[u8]) -> Command<bool> {
        let request = Request::script(&DELETE_HASH, 2).key(key).key(&super::spot::aside(key));
        request.telling(&self.notices).returns(reply::flag)
    }

    /// How long a value lives.
    pub(super) fn ttl(&self, spot: &Spot) -> Command<i64> {
        match spot.field {
            None => self.left(spot).returns(reply::time_left),
            Some(_) => self.left(spot).returns(|reply| {
                let [left] = reply::parts(reply)?;
                reply::time_left(left)
            }),
        }
    }

    fn script(&self, script: &'static Script, spot: &Spot, expires: bool) -> Request {
        let request = Request::script(script, 2).key(&spot.key).key(&spot.aside());
        let request = request.telling(&self.notices);
        let request = match &spot.field {
            None => request.arg("s"),
            Some(_) if expires => request.needs(FIELD_EXPIRY).arg("x"),
            Some(_) => request.arg("h"),
        };
        let request = match &spot.field {
            None => request.arg(""),
            Some(name) => request.field::<Vec<u8>>(name),
        };
        request.milliseconds(self.lease * LEASES_KEPT)
    }
}

impl Spot {
    /// What the value is called among what is known of values.
    fn name(&self) -> &[u8] {
        self.field.as_deref().unwrap_or_default()
    }
}

/// One command that reads all spots.
fn of_all(spots: &[Spot]) -> Request {
    match spots.first() {
        Some(Spot { key, field: Some(_), .. }) => Request::read("HMGET").key(key).each(
            spots,
            |request, spot| request.push_field::<Vec<u8>>(spot.name()),
            Value::Array(Vec::new()),
        ),
        _ => Request::read("MGET").divisible(Gather::InOrder).each(
            spots,
            |request, spot| request.push_key(&spot.key),
            Value::Array(Vec::new()),
        ),
    }
}

/// Appends a time to live in milliseconds, or `0` for ever.
fn lasting(request: Request, time: Option<Duration>) -> Request {
    match time {
        Some(time) if time > LONGEST => request.refuse("a time to live of over a thousand years"),
        Some(time) => request.milliseconds(time),
        None => request.arg("0"),
    }
}

fn claim(reply: Reply<'_>) -> Result<Claim> {
    let request = reply.request;
    let mut parts = reply::sequence(reply)?;
    let mut part = || match parts.next() {
        Some(value) => Ok(Reply { value, request }),
        None => Err(reply::unexpected_count(request)),
    };
    let status = reply::one::<Vec<u8>>(part()?)?;
    let (bytes, left) = (reply::raw(part()?)?, reply::time_left(part()?)?);
    let stored = Stored { bytes, left, is_absent: status == b"absent" };
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
            Claim::Claimed(Lease { generation: word()?, before: word()? }, stored)
        }
        _ => return Err(reply::unexpected(request, "what became of a claim", &Value::Nil)),
    };
    match parts.next() {
        None => Ok(claim),
        Some(_) => Err(reply::unexpected_count(request)),
    }
}

/// Until when the source is known to have no value, if it is.
fn absent_until(entry: &[u8]) -> Option<i64> {
    std::str::from_utf8(entry.strip_suffix(b":")?).ok()?.parse().ok()
}

/// What `TIME` answers, in milliseconds.
fn milliseconds(time: &[i64]) -> i64 {
    let [seconds, micros] = time else { return i64::MAX };
    seconds.saturating_mul(1000).saturating_add(micros / 1000)
}

/// For how many leases it is known who loads a value.
const LEASES_KEPT: u32 = 60;

const FIELD_EXPIRY: &str = "Redis 7.4 or Valkey 9";

macro_rules! script {
    ($name:literal, $file:literal) => {
        Script::new(
            $name,
            concat!(
                include_str!("../collections/field_expiry.lua"),
                include_str!("entry.lua"),
                include_str!($file),
            ),
        )
    };
}

static CLAIM: Script = script!("load", "claim.lua");
static STORE: Script = script!("store", "store.lua");
static RELEASE: Script = script!("release", "release.lua");
static PUT: Script = script!("set_value", "put.lua");
static DELETE: Script = script!("delete", "delete.lua");
static DELETE_HASH: Script = Script::new("delete_hash", include_str!("delete_hash.lua"));
