//! The commands that load cached dictionaries, and the writes that affect them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

use crate::collections::map::Prefix;
use crate::collections::name::Name;
use crate::command::Command;
use crate::command::Part;
use crate::error::{Attempt, Error, Result};
use crate::events::ChangeEvent;
use crate::keys::Gather;
use crate::near::{Affected, EntryKey, EntrySource, Fetched, Lifetime, entry};
use crate::request::Request;

/// Loads the strings of a dictionary.
#[derive(Debug)]
pub struct DictSource {
    pub(crate) prefix: Prefix,
    /// The number of milliseconds before its expiration at which a value is treated as absent.
    pub(crate) margin: u64,
}

impl DictSource {
    fn about(&self, command: &'static str, key: &[u8]) -> Request {
        Request::read(command).prefixed_key::<Vec<u8>>(self.prefix.parts(), key)
    }

    /// Appends the server's key of an entry.
    fn push(&self, request: &mut Request, key: &EntryKey) {
        request.push_prefixed_key::<Vec<u8>>(self.prefix.parts(), key);
    }
}

impl EntrySource for DictSource {
    fn commands(&self, keys: &[EntryKey]) -> Vec<Command<Part>> {
        let read = match keys {
            [key] => self.about("GET", key).refuse_if(self.prefix.refusal()).value_part(),
            keys => Request::read("MGET")
                .divisible(Gather::InOrder)
                .each(keys, |request, key| self.push(request, key), Value::Array(Vec::new()))
                .refuse_if(self.prefix.refusal())
                .values_part(),
        };
        let lifetimes = keys.iter().map(|key| self.about("PTTL", key));
        let lifetimes = lifetimes.map(|request| request.refuse_if(self.prefix.refusal()));
        std::iter::once(read).chain(lifetimes.map(Request::time_left_part)).collect()
    }

    fn fetched(&self, replies: Vec<Result<Part>>) -> Result<Vec<Fetched>> {
        let mut replies = replies.into_iter();
        let values = replies.next().map_or(Ok(Vec::new()), |read| read.map(Part::values))?;
        let lifetimes = replies.map(|left| left.map(Part::integers));
        let lifetimes = lifetimes.collect::<Result<Vec<_>>>()?.into_iter().flatten();
        let fetched = values.into_iter().zip(lifetimes).map(|(bytes, lifetime)| {
            Ok(match Lifetime::read(lifetime) {
                Lifetime::Over if bytes.is_none() => {
                    Fetched { bytes, lifetime: Lifetime::Unlimited }
                }
                Lifetime::Milliseconds(left) => match left.checked_sub(self.margin) {
                    Some(left) => Fetched { bytes, lifetime: Lifetime::Milliseconds(left) },
                    None => Fetched { bytes: None, lifetime: Lifetime::Over },
                },
                lifetime => Fetched { bytes, lifetime },
            })
        });
        fetched.collect()
    }

    fn affected<'a>(&self, key: &'a [u8]) -> Affected<'a> {
        self.prefix.strip(key).map_or(Affected::Nothing, Affected::Entry)
    }

    fn written<'a>(&self, write: &'a Request) -> Vec<Affected<'a>> {
        write.keys().map(|key| self.affected(key)).collect()
    }

    fn attempt(&self, key: &[u8]) -> Attempt {
        self.about("GET", key).attempt()
    }
}

/// Loads the fields of a hash.
#[derive(Debug)]
pub struct HashSource {
    pub(crate) name: Name,
    /// Whether the server supports expiration of fields.
    pub(crate) fields_expire: Arc<AtomicBool>,
}

impl EntrySource for HashSource {
    fn commands(&self, keys: &[EntryKey]) -> Vec<Command<Part>> {
        let request = |command| Request::read(command).named(self.name.as_bytes());
        let field = |request: &mut Request, key: &EntryKey| request.push_field::<Vec<u8>>(key);
        let read = match keys {
            [key] => request("HGET").field::<Vec<u8>>(key).value_part(),
            keys => request("HMGET").each(keys, field, Value::Array(Vec::new())).values_part(),
        };
        let mut all = vec![read, request("PTTL").time_left_part()];
        if self.fields_expire.load(Ordering::Relaxed) {
            let request = request("HPTTL").arg("FIELDS").number(keys.len());
            let request = request.each(keys, field, Value::Array(Vec::new()));
            all.push(request.times_left_part());
        }
        all
    }

    fn fetched(&self, replies: Vec<Result<Part>>) -> Result<Vec<Fetched>> {
        let mut replies = replies.into_iter();
        let values = replies.next().map_or(Ok(Vec::new()), |read| read.map(Part::values))?;
        let whole = replies.next().map_or(Ok(Vec::new()), |left| left.map(Part::integers))?;
        let whole = whole.first().map_or(Lifetime::Over, |left| Lifetime::read(*left));
        let fields = match replies.next() {
            Some(Ok(fields)) => fields.integers(),
            Some(Err(Error::Unsupported { .. })) => {
                self.fields_expire.store(false, Ordering::Relaxed);
                Vec::new()
            }
            Some(Err(error)) => return Err(error),
            None => Vec::new(),
        };
        let mut fields = fields.into_iter().map(Lifetime::read);
        let fetched = values.into_iter().map(|bytes| {
            let field = fields.next().unwrap_or(Lifetime::Unlimited);
            let lifetime = match (&bytes, whole) {
                (None, Lifetime::Over) => Lifetime::Unlimited,
                (None, whole) => whole,
                (Some(_), whole) => whole.min(field),
            };
            Fetched { bytes, lifetime }
        });
        Ok(fetched.collect())
    }

    fn affected<'a>(&self, key: &'a [u8]) -> Affected<'a> {
        if *key == *self.name.as_bytes() { Affected::All } else { Affected::Nothing }
    }

    fn affected_by<'a>(&self, event: ChangeEvent<'a>) -> Affected<'a> {
        match event {
            // The time to live of the whole hash changed.
            ChangeEvent::Touched(b"") => Affected::All,
            event => entry(event),
        }
    }

    fn written<'a>(&self, write: &'a Request) -> Vec<Affected<'a>> {
        if write.keys().all(|key| self.affected(key) == Affected::Nothing) {
            return Vec::new();
        }
        let fields: Vec<_> = write.fields().map(Affected::Entry).collect();
        if fields.is_empty() { vec![Affected::All] } else { fields }
    }

    fn attempt(&self, key: &[u8]) -> Attempt {
        Request::read("HGET").named(self.name.as_bytes()).field::<Vec<u8>>(key).attempt()
    }
}
