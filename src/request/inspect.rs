//! The properties of a request that a client must know.

use std::mem;
use std::sync::Arc;

use redis::Value;

use super::script;
use super::script::{Script, Source};
use super::{Arguments, DropReport, MAX_ARGUMENTS, Rare, Refused, Request, TOO_MANY_ARGUMENTS};
use crate::changes::ChangePublishing;
use crate::error::{Attempt, Error};
use crate::keys::{Gather, Place};
use crate::time::Wait;

impl Request {
    pub(crate) fn arguments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[mem::replace(&mut start, end)..end])
    }

    /// The number of bytes in the arguments.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The error to return instead of sending this command, if an argument cannot be used.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let attempt = || Box::new(self.attempt());
        let refused = self.rare.as_ref()?.refused.clone();
        refused.map(|refused| match refused {
            Refused::Encode(source) => Error::Encode { attempt: attempt(), source },
            Refused::Invalid(reason) => Error::InvalidArgument { attempt: attempt(), reason },
        })
    }

    /// The error to return instead of sending this command undivided, if it has too many arguments.
    pub(crate) fn refusal_of_one_command(&self) -> Option<Error> {
        let refused = || {
            let reason = TOO_MANY_ARGUMENTS.into();
            Error::InvalidArgument { attempt: Box::new(self.attempt()), reason }
        };
        self.refusal().or_else(|| (!self.fits_one_command()).then(refused))
    }

    /// Returns whether the server accepts so many arguments in one command.
    pub(super) fn fits_one_command(&self) -> bool {
        self.ends.len() <= MAX_ARGUMENTS
    }

    /// The reply of a command that need not be sent.
    pub(crate) fn known_reply(&self) -> Option<Value> {
        self.rare.as_ref()?.known_reply.clone()
    }

    /// Returns whether the command must be sent to the server.
    pub(crate) fn is_sent(&self) -> bool {
        let unsent = |rare: &Rare| rare.refused.is_some() || rare.known_reply.is_some();
        !self.rare.as_deref().is_some_and(unsent)
    }

    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    pub(crate) fn wait(&self) -> Option<Wait> {
        self.rare.as_ref()?.wait
    }

    /// Whether a wait must not be restarted on another connection.
    pub(crate) fn waits_once(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.waits_once)
    }

    /// Returns whether it takes an item, rather than moving it, so that it can be undone.
    pub(crate) fn takes(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.undo.is_some())
    }

    /// The command that undoes this blocking one.
    #[cfg(feature = "async")]
    pub(crate) fn undo(&self) -> Option<&'static str> {
        self.rare.as_ref()?.undo
    }

    /// The callback to call if the wait is dropped.
    pub(crate) fn drop_report(&self) -> Option<&DropReport> {
        self.rare.as_ref()?.drop_report.as_ref()
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn gather(&self) -> Option<Gather> {
        self.gather
    }

    /// The publishing settings of the collections that this command may change.
    pub(crate) fn publishing(&self) -> &[Arc<ChangePublishing>] {
        match &self.rare {
            Some(rare) if rare.wait.is_none() => &rare.publishing,
            _ => &[],
        }
    }

    /// The name of the command, or of the script.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The number of keys.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.count as usize
    }

    /// The keys, in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.positions().filter_map(|position| self.argument(position))
    }

    /// The fields of a hash, in their order.
    #[cfg(feature = "near-cache")]
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.positions().filter_map(|position| self.argument(position))
    }

    /// The arguments other than the command, its keys, and the hash and key count of a script.
    pub(crate) fn others(&self) -> impl Iterator<Item = &[u8]> {
        let Arguments { first, count, stride } = self.keys;
        let skipped = if self.script.is_some() { SCRIPT_ARGUMENTS } else { 1 };
        let is_key = move |index: u32| {
            index >= first
                && (index - first).is_multiple_of(stride)
                && (index - first) / stride < count
        };
        let arguments = self.arguments().zip(0..).skip(skipped);
        arguments.filter(move |&(_, index)| !is_key(index)).map(|(argument, _)| argument)
    }

    /// The number of fields, members or, if there are none, keys that the request is about.
    pub(crate) fn asked(&self) -> usize {
        match (self.fields.count, self.others().count()) {
            _ if !self.is_sent() => 0,
            (0, 0) => self.key_count(),
            (0, others) => others,
            (fields, _) => fields as usize,
        }
    }

    /// The number of named fields.
    pub(crate) fn field_count(&self) -> usize {
        self.fields.count as usize
    }

    /// The maximum number of elements in a reply, if the arguments determine it: a count, or the
    /// first and the last index of a range.
    pub(crate) fn limit(&self) -> Option<usize> {
        let mut numbers = self.others().map(|it| std::str::from_utf8(it).ok()?.parse::<i64>().ok());
        let (first, last) = (numbers.next()??, numbers.next());
        match (last, numbers.next()) {
            (None, _) => usize::try_from(first).ok(),
            (Some(Some(last)), None) if 0 <= first && 0 <= last => {
                usize::try_from((last - first).saturating_add(1).max(0)).ok()
            }
            _ => None,
        }
    }

    /// The arguments of an item: of those that [`each`](Self::each) appended, or else of the keys.
    pub(crate) fn item(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let first = self.items().position(index);
        (first..first + self.stride()).filter_map(|position| self.argument(position))
    }

    /// The number of arguments of an item: a key or field and, if the command alternates them, its
    /// value.
    pub(crate) fn stride(&self) -> usize {
        self.items().stride as usize
    }

    pub(crate) fn item_count(&self) -> usize {
        self.items().count as usize
    }

    /// The arguments before the items.
    pub(crate) fn head(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.arguments().take(self.items().first as usize)
    }

    /// Returns whether the items are the keys.
    pub(crate) fn has_keys_for_items(&self) -> bool {
        self.items().first == self.keys.first
    }

    fn items(&self) -> Arguments {
        if self.items.count > 0 { self.items } else { self.keys }
    }

    pub(crate) fn is_script(&self) -> Option<&'static Script> {
        self.script
    }

    /// The script that this is sent as, if it is one.
    pub(crate) fn source(&self) -> Option<&'static Source> {
        match (self.script, self.publishing()) {
            (script, []) => script.map(Script::plain),
            (None, _) if self.published_entry().is_some() => Some(script::QUICK.plain()),
            (script, _) => Some(script.unwrap_or(&script::COMMAND).publishing()),
        }
    }

    /// What is published of a write that has a short script: a `SET` without options or an `HSET`
    /// of one field, published in the format `Own` alone.
    pub(crate) fn published_entry(&self) -> Option<&[u8]> {
        let [publishing] = self.publishing() else { return None };
        match (self.name, self.ends.len()) {
            _ if !publishing.publishes_own_alone() => None,
            ("SET", 3) => self.argument(1)?.get(publishing.name().len()..),
            ("HSET", 4) => self.argument(2),
            _ => None,
        }
    }

    /// Returns whether an error while this runs may leave a part of it done: scripts of several
    /// writes, and commands whose changes are published, which run in parts if they are long.
    pub(crate) fn has_steps(&self) -> bool {
        match self.script {
            Some(script) => script.has_steps,
            None => !self.publishing().is_empty() && self.ends.len() > MAX_PART_ARGUMENTS,
        }
    }

    /// Returns whether some servers are known to lack the command.
    pub(crate) fn needs_newer_servers(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.needs.is_some())
    }

    pub(crate) fn needed_servers(&self) -> &'static str {
        self.rare
            .as_ref()
            .and_then(|rare| rare.needs)
            .unwrap_or("a newer server, or one on which it is not renamed")
    }

    /// The attempt that an error of this command reports.
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt_at(0)
    }

    /// The attempt that an error reports if the reply is a sequence: the key or field to which the
    /// element at `position` belongs.
    pub(crate) fn attempt_at(&self, position: usize) -> Attempt {
        let (key, field) = match self.fields.count {
            0 => (self.keys.position(position), None),
            _ => (self.keys.position(0), self.argument(self.fields.position(position))),
        };
        let key = Some(key).filter(|_| self.keys.count > 0).and_then(|key| self.argument(key));
        let owned = |name: Option<&[u8]>| name.map(<[u8]>::to_vec);
        let (key, field) = (owned(key), owned(field));
        Attempt {
            command: self.name,
            key,
            field,
            writes: self.writes,
            in_part: false,
            halfway: false,
        }
    }

    fn argument(&self, index: usize) -> Option<&[u8]> {
        let start =
            index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(index)?)
    }
}

/// `run.lua` runs longer commands in parts.
const MAX_PART_ARGUMENTS: usize = 4000;

/// `EVALSHA`, the hash and the number of keys.
const SCRIPT_ARGUMENTS: usize = 3;
