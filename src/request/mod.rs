//! Requests: the arguments of a command, and what a client must know of them.

mod divide;
mod dropped_wait;
mod inspect;
mod properties;
pub(crate) mod script;

pub(crate) use divide::{Piece, several_slots};
#[cfg(feature = "async")]
pub(crate) use dropped_wait::Reporter;
pub(crate) use dropped_wait::{Attended, DropReport};
pub(crate) use script::{Script, Source};

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::changes::ChangePublishing;
use crate::codec::{Codec, CodecError};
use crate::keys::{self, Gather, Place};
use crate::time::Wait;

/// A command being built: its arguments, and its properties for the client.
///
/// An argument that cannot be used is recorded and reported when the command runs, so that building
/// stays a plain chain.
#[derive(Clone)]
pub struct Request {
    name: &'static str,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    writes: bool,
    keys: Arguments,
    fields: Arguments,
    /// What [`each`](Self::each) appended.
    items: Arguments,
    place: Place,
    gather: Option<Gather>,
    script: Option<&'static Script>,
    rare: Option<Box<Rare>>,
}

/// Properties that few requests have, kept apart so that a request is small: it is moved often.
#[derive(Default, Clone)]
struct Rare {
    wait: Option<Wait>,
    waits_once: bool,
    undo: Option<&'static str>,
    drop_report: Option<DropReport>,
    needs: Option<&'static str>,
    refused: Option<Refused>,
    known_reply: Option<Value>,
    publishing: Vec<Arc<ChangePublishing>>,
}

/// The positions of keys, fields or items: `count` of them from `first` on, `stride` arguments apart.
#[derive(Debug, Clone, Copy)]
struct Arguments {
    first: u32,
    count: u32,
    stride: u32,
}

/// The reason why a request cannot be sent.
#[derive(Debug, Clone)]
enum Refused {
    Encode(CodecError),
    Invalid(Cow<'static, str>),
}

impl Request {
    /// A command that changes nothing, and so may be repeated.
    pub(crate) fn read(name: &'static str) -> Self {
        Self::new(name, false)
    }

    /// A command that changes something.
    pub(crate) fn write(name: &'static str) -> Self {
        Self::new(name, true)
    }

    /// A script; `keys` is the number of keys among the arguments that follow.
    pub(crate) fn script(script: &'static Script, keys: usize) -> Self {
        let request = Self::write("EVALSHA").arg(script.hash()).number(keys);
        Self { name: script.name, script: Some(script), ..request }
    }

    fn new(name: &'static str, writes: bool) -> Self {
        let request = Self {
            name,
            bytes: Vec::with_capacity(TYPICAL_BYTES),
            ends: Vec::with_capacity(TYPICAL_ARGUMENTS),
            writes,
            keys: Arguments::NONE,
            fields: Arguments::NONE,
            items: Arguments::NONE,
            place: Place::Keys,
            gather: None,
            script: None,
            rare: None,
        };
        request.arg(name)
    }

    /// Appends an argument as it is.
    pub(crate) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.push(argument);
        self
    }

    /// Appends a number in decimal.
    pub(crate) fn number(mut self, number: impl fmt::Display) -> Self {
        if write!(self.bytes, "{number}").is_err() {
            return self.refuse("a number could not be written");
        }
        self.finish_argument();
        self
    }

    /// Appends the wanted amount, at most as many as a server can count.
    pub(crate) fn amount(self, amount: usize) -> Self {
        self.number(i64::try_from(amount).unwrap_or(i64::MAX))
    }

    /// Appends a key.
    pub(crate) fn key(mut self, key: &[u8]) -> Self {
        self.push_key(key);
        self
    }

    /// Appends the key of the collection `name`.
    pub(crate) fn named(self, name: &[u8]) -> Self {
        self.refuse_if(keys::refusal(name)).key(name)
    }

    /// Appends a key made of the parts of `prefix` and then `key` as encoded by the codec `K`.
    pub(crate) fn prefixed_key<K: Codec>(mut self, prefix: [&[u8]; 2], key: &K::Borrowed) -> Self {
        self.push_prefixed_key::<K>(prefix, key);
        self
    }

    /// Appends the name of a field as encoded by the codec `K`.
    pub(crate) fn field<K: Codec>(mut self, field: &K::Borrowed) -> Self {
        self.push_field::<K>(field);
        self
    }

    /// Appends `value` as encoded by the codec `C`.
    pub(crate) fn encode<C: Codec>(mut self, value: &C::Borrowed) -> Self {
        self.push_encoded::<C>(value);
        self
    }

    /// Appends every item, each as the same number of arguments. If there is none, the command is
    /// not sent: its reply is `empty`.
    pub(crate) fn each<I: IntoIterator>(
        mut self,
        items: I,
        mut append: impl FnMut(&mut Self, I::Item),
        empty: Value,
    ) -> Self {
        let before = self.ends.len();
        let count = items.into_iter().map(|item| append(&mut self, item)).count();
        if count == 0 {
            return self.answered(empty);
        }
        let [first, count, stride] =
            [before, count, (self.ends.len() - before) / count].map(|number| number as u32);
        self.items = Arguments { first, count, stride };
        self
    }

    /// Appends a `1` and `bytes`, or a `0` and an empty argument: scripts have no nil among their
    /// arguments.
    pub(crate) fn optional(self, bytes: Option<&[u8]>) -> Self {
        self.arg(if bytes.is_some() { "1" } else { "0" }).arg(bytes.unwrap_or_default())
    }

    /// Like [`optional`](Self::optional), for a value as encoded by the codec `C`.
    pub(crate) fn optional_value<C: Codec>(self, value: Option<&C::Borrowed>) -> Self {
        match value {
            Some(value) => self.arg("1").encode::<C>(value),
            None => self.optional(None),
        }
    }

    /// Appends a time to live in milliseconds. Less than one is rounded up to one, zero is refused.
    pub(crate) fn milliseconds(self, time: Duration) -> Self {
        match i64::try_from(time.as_millis()) {
            _ if time.is_zero() => self.refuse("a time to live of zero"),
            Ok(milliseconds) if milliseconds <= LONGEST_MILLISECONDS => {
                self.number(milliseconds.max(1))
            }
            _ => self.refuse("a time to live beyond the server's calendar"),
        }
    }

    /// Records that the command cannot be sent. The first reason counts.
    pub(crate) fn refuse(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.rare().refused.get_or_insert_with(|| Refused::Invalid(reason.into()));
        self
    }

    /// Refuses the command if there is a `reason`.
    pub(crate) fn refuse_if(self, reason: Option<&'static str>) -> Self {
        match reason {
            Some(reason) => self.refuse(reason),
            None => self,
        }
    }
}

/// The same operations for loops, which would otherwise move the request with every item.
impl Request {
    pub(crate) fn push(&mut self, argument: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(argument.as_ref());
        self.finish_argument();
    }

    pub(crate) fn push_key(&mut self, key: &[u8]) {
        self.keys.count_one(self.ends.len());
        self.push(key);
    }

    pub(crate) fn push_prefixed_key<K: Codec>(&mut self, prefix: [&[u8]; 2], key: &K::Borrowed) {
        self.keys.count_one(self.ends.len());
        let start = self.bytes.len();
        prefix.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let prefix = self.bytes.len() - start;
        self.push_encoded::<K>(key);
        if keys::is_side_key(&self.bytes[start..], prefix) {
            let reason = Refused::Invalid(keys::HOLDS_THE_MARK.into());
            self.rare().refused.get_or_insert(reason);
        }
    }

    pub(crate) fn push_field<K: Codec>(&mut self, field: &K::Borrowed) {
        self.fields.count_one(self.ends.len());
        self.push_encoded::<K>(field);
    }

    pub(crate) fn push_encoded<C: Codec>(&mut self, value: &C::Borrowed) {
        if let Err(error) = C::encode(value, &mut self.bytes) {
            self.rare().refused.get_or_insert(Refused::Encode(error));
        }
        self.finish_argument();
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn finish_argument(&mut self) {
        self.ends.push(self.bytes.len());
        if self.gather.is_none() && !self.fits_one_command() {
            self.rare().refused.get_or_insert(Refused::Invalid(TOO_MANY_ARGUMENTS.into()));
        }
    }
}

impl Arguments {
    const NONE: Self = Self { first: 0, count: 0, stride: 1 };

    fn position(&self, index: usize) -> usize {
        self.first as usize + index * self.stride as usize
    }

    fn positions(&self) -> impl Iterator<Item = usize> {
        (0..self.count as usize).map(|index| self.position(index))
    }

    /// Counts one more key or field, at the position `next`.
    fn count_one(&mut self, next: usize) {
        let next = next as u32;
        match self.count {
            0 => self.first = next,
            1 => self.stride = next - self.first,
            count => debug_assert_eq!(next, self.first + count * self.stride),
        }
        self.count += 1;
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.attempt())
    }
}

const TYPICAL_BYTES: usize = 128;
const TYPICAL_ARGUMENTS: usize = 8;

/// The server refuses commands with more than 1024 * 1024 arguments.
const MAX_ARGUMENTS: usize = 1_000_000;
const TOO_MANY_ARGUMENTS: &str = "more than 1,000,000 arguments in one command";

/// The server adds the current time in milliseconds and refuses an overflow.
const LONGEST_MILLISECONDS: i64 = i64::MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;

    static SCRIPT: Script = Script::new("a script", "return 1");

    #[test]
    fn an_attempt_names_the_key_or_field_at_a_position_and_no_value() {
        let hash = Request::read("HMGET").key(b"h").field::<String>("a").field::<String>("b");
        let keys = Request::read("MGET").prefixed_key::<String>([b"p", b":"], "a").key(b"p:b");
        let script = Request::script(&SCRIPT, 1).key(b"k").arg("secret");
        assert_eq!(hash.attempt_at(1).to_string(), r#"HMGET "h" "b""#);
        assert_eq!(keys.attempt_at(1).to_string(), r#"MGET "p:b""#);
        assert_eq!(script.attempt().to_string(), r#"a script "k""#);
        assert_eq!(format!("{script:?}"), r#"Request(a script "k")"#);
    }

    #[test]
    fn the_first_argument_that_cannot_be_used_is_reported() {
        for (time, reason) in [
            (Duration::ZERO, Some(r#"SET "k": a time to live of zero"#)),
            (Duration::MAX, Some(r#"SET "k": a time to live beyond the server's calendar"#)),
            (Duration::from_nanos(1), None),
        ] {
            let request = Request::write("SET").key(b"k").milliseconds(time);
            assert_eq!(request.refusal().map(|error| error.to_string()).as_deref(), reason);
        }
    }
}
