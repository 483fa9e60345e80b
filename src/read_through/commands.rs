//! What is sent to the server, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::policy::LONGEST;
use super::spot::Spot;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::Result;
use crate::notices::Notices;
use crate::place::{Gather, key_slot};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::script::Script;

/// How values are kept.
#[derive(Clone)]
pub(super) struct Commands {
    /// Whether values may expire, so that it is asked for how long they live.
    pub(super) expires: bool,
    pub(super) lease: Duration,
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
    /// Somebody wants it anew, whatever others do.
    Force,
}

/// What the server says to somebody who wants to load a value.
#[derive(Debug, PartialEq)]
pub(super) enum Claim {
    Found(Stored),
    /// Somebody else loads it. There may be an old one.
    Busy(Stored),
    Claimed(Lease, Stored),
}

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
    pub(super) fn look(&self, spots: &[Spot], wanted: Wanted) -> Vec<Command<Value>> {
        let mut commands = vec![match spots {
            [spot] => match &spot.field {
                None => Request::read("GET").key(&spot.key),
                Some(name) => Request::read("HGET").key(&spot.key).field::<Vec<u8>>(name),
            },
            spots => of_all(spots),
        }];
        if wanted.left {
            commands.extend(spots.iter().map(|spot| self.left(spot)));
        }
        if wanted.absence {
            let aside = |spot: &Spot| Request::read("HGET").key(&spot.aside()).arg(spot.name());
            commands.extend(spots.iter().map(aside));
            let slot = spots.first().map_or(0, |spot| key_slot(&spot.key));
            commands.push(Request::read("TIME").at_slot(slot));
        }
        commands.into_iter().map(|request| request.returns(reply::any)).collect()
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
        replies: Vec<Result<Value>>,
    ) -> Result<Vec<Stored>> {
        let mut replies = replies.into_iter();
        let values = replies.next().unwrap_or(Ok(Value::Nil))?;
        let values = match (spots, values) {
            (2.., Value::Array(values)) => values,
            (_, value) => vec![value],
        };
        let stored = |value| Stored { bytes: bytes(value), left: -1, is_absent: false };
        let mut all: Vec<_> = values.into_iter().map(stored).collect();
        all.resize_with(spots, || stored(Value::Nil));
        if wanted.left {
            for (stored, reply) in all.iter_mut().zip(&mut replies) {
                stored.left = integer(&reply?);
            }
        }
        if wanted.absence {
            let known = replies.by_ref().take(spots).collect::<Result<Vec<_>>>()?;
            let now = replies.next().unwrap_or(Ok(Value::Nil)).map(|time| milliseconds(&time))?;
            for (stored, entry) in all.iter_mut().zip(known) {
                stored.is_absent = bytes(entry).and_then(|entry| absent_until(&entry)) > Some(now);
            }
        }
        Ok(all)
    }

    /// Claims the right to load a value.
    pub(super) fn claim(&self, spot: &Spot, mode: Mode, generation: &str) -> Command<Claim> {
        let mode = match mode {
            Mode::Missing => "miss",
            Mode::Unfit | Mode::Refresh => "replace",
            Mode::Force => "force",
        };
        let request = self.script(&CLAIM, spot, self.expires).arg(mode).arg(generation);
        request.milliseconds(self.lease).returns(claim)
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

    /// Gives back the right to load a value.
    pub(super) fn release(&self, spot: &Spot, lease: &Lease) -> Command<bool> {
        self.script(&RELEASE, spot, false).arg(&lease.generation).returns(reply::flag)
    }

    /// Sets a value, whoever loads it.
    pub(super) fn put<V: Codec>(
        &self,
        spot: &Spot,
        value: &V::Borrowed,
        time: Option<Duration>,
    ) -> Command<()> {
        let request = lasting(self.script(&PUT, spot, time.is_some()), time);
        request.encode::<V>(value).returns(reply::done)
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
            None => self.left(spot).returns(reply::integer),
            Some(_) => self.left(spot).returns(reply::one_integer),
        }
    }

    fn script(&self, script: &'static Script, spot: &Spot, expires: bool) -> Request {
        let request = Request::script(script, 2).key(&spot.key).key(&spot.aside());
        let request = request.needs(FIELD_EXPIRY).telling(&self.notices);
        let shape = match &spot.field {
            None => "s",
            Some(_) if expires => "x",
            Some(_) => "h",
        };
        let request = request.arg(shape);
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
            Value::Nil,
        ),
        _ => Request::read("MGET").divisible(Gather::InOrder).each(
            spots,
            |request, spot| request.push_key(&spot.key),
            Value::Nil,
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
    let mut parts = reply::sequence(reply)?.into_iter();
    let mut part = || parts.next().unwrap_or(Value::Nil);
    let status = bytes(part()).unwrap_or_default();
    let stored =
        Stored { bytes: bytes(part()), left: integer(&part()), is_absent: status == b"absent" };
    Ok(match &status[..] {
        b"found" | b"absent" => Claim::Found(stored),
        b"claimed" => {
            let mut word = || bytes(part()).unwrap_or_default();
            Claim::Claimed(Lease { generation: word(), before: word() }, stored)
        }
        _ => Claim::Busy(stored),
    })
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// Until when the source is known to have no value, if it is.
fn absent_until(entry: &[u8]) -> Option<i64> {
    std::str::from_utf8(entry.strip_suffix(b":")?).ok()?.parse().ok()
}

/// What `TIME` answers.
fn milliseconds(time: &Value) -> i64 {
    let Value::Array(parts) = time else { return i64::MAX };
    let part = |part: &Value| match part {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    };
    let [seconds, micros] = [parts.first(), parts.get(1)].map(|digits| digits.and_then(part));
    seconds.zip(micros).map_or(i64::MAX, |(seconds, micros): (i64, i64)| {
        seconds.saturating_mul(1000).saturating_add(micros / 1000)
    })
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(integer) => *integer,
        Value::Array(values) => values.first().map_or(-2, integer),
        _ => -2,
    }
}

/// For how many leases it is known who loads a value.
const LEASES_KEPT: u32 = 60;

const FIELD_EXPIRY: &str = "Redis 7.4 or Valkey 9";

macro_rules! script {
    ($name:literal, $file:literal) => {
        Script::new($name, concat!(include_str!("entry.lua"), include_str!($file)))
    };
}

static CLAIM: Script = script!("load", "claim.lua");
static STORE: Script = script!("store", "store.lua");
static RELEASE: Script = script!("release", "release.lua");
static PUT: Script = script!("set_value", "put.lua");
static DELETE: Script = script!("delete", "delete.lua");
static DELETE_HASH: Script = Script::new("delete_hash", include_str!("delete_hash.lua"));
