//! The keys of a queue.

use std::fmt;

use crate::collections::Name;
use crate::keys::prefix_slot;
use crate::keys::{name_and_kind, side_key, side_key_of};
use crate::random::unique_id;

/// The keys of a queue, all in one slot if its name has a hash tag.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) queue: Name,
    /// Consumers, scored by their last heartbeat in the server's milliseconds.
    pub(super) consumers: Vec<u8>,
    /// Delayed jobs, scored by the server's milliseconds when they are due.
    pub(super) delayed: Vec<u8>,
    pub(super) dead: Vec<u8>,
    pub(super) paused: Vec<u8>,
    /// Retired consumer ids, scored by the time when they can be forgotten if their lists are
    /// empty: a server may still give a job to a disconnected consumer.
    pub(super) gone: Vec<u8>,
    /// Since when each consumer has held its oldest job.
    pub(super) held: Vec<u8>,
    /// The counters of settled jobs.
    pub(super) counts: Vec<u8>,
    /// Samples of how many jobs had arrived, taken at the server's milliseconds.
    pub(super) entered: Vec<u8>,
    /// The keys of unique jobs, scored by the server's milliseconds when they are free again.
    pub(super) unique: Vec<u8>,
    /// The explicit settings of programs.
    pub(super) settings: Vec<u8>,
}

impl Keys {
    pub(super) fn new(queue: Name) -> Self {
        let key = |kind: &str| side_key(queue.as_bytes(), kind);
        Self {
            consumers: key("consumers"),
            delayed: key("delayed"),
            dead: key("dead"),
            paused: key("paused"),
            gone: key("gone"),
            held: key("held"),
            counts: key("counts"),
            entered: key("entered"),
            unique: key("unique"),
            settings: key("settings"),
            queue,
        }
    }

    pub(super) fn queue(&self) -> &[u8] {
        self.queue.as_bytes()
    }

    /// The list of the jobs that a consumer has claimed.
    pub(super) fn claimed(&self, consumer: &ConsumerId) -> Vec<u8> {
        side_key_of(self.queue(), "claimed", consumer.as_bytes())
    }

    /// The keys beside the queue, without the lists of consumers.
    pub(super) fn beside(&self) -> [&[u8]; 10] {
        [
            &self.consumers,
            &self.delayed,
            &self.dead,
            &self.paused,
            &self.gone,
            &self.held,
            &self.counts,
            &self.entered,
            &self.unique,
            &self.settings,
        ]
    }

    /// The reason why a queue cannot have this name, if there is one.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let empty = self.queue.as_bytes().is_empty().then_some(EMPTY);
        empty.or_else(|| self.queue.refusal())
    }

    /// Returns whether the keys are in one slot of a cluster.
    pub(super) fn are_together(&self) -> bool {
        prefix_slot(self.queue()).is_some()
    }
}

/// The name of the queue that has this key beside it, if one has.
pub(super) fn queue_of(key: &[u8]) -> Option<&[u8]> {
    let (name, kind) = name_and_kind(key)?;
    KINDS.iter().any(|known| known.as_bytes() == kind).then_some(name)
}

/// The kinds of the keys beside queues.
const KINDS: [&str; 11] = [
    "claimed",
    "consumers",
    "counts",
    "dead",
    "delayed",
    "entered",
    "gone",
    "held",
    "paused",
    "settings",
    "unique",
];

/// The id of a consumer. It gets a new one whenever it is unknown what the server may still do for
/// the old one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConsumerId(String);

/// The successive ids of one consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ConsumerIds {
    prefix: String,
    given: u64,
}

impl ConsumerIds {
    /// A sequence of unique ids.
    pub(super) fn new() -> Self {
        Self::of(unique_id())
    }

    pub(super) fn of(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), given: 0 }
    }

    /// The next id of the consumer.
    pub(super) fn next(&mut self) -> ConsumerId {
        self.given += 1;
        ConsumerId(format!("{}-{}", self.prefix, self.given))
    }
}

impl ConsumerId {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns all keys that the queue `name` can have, if it can have this name.
#[cfg(test)]
pub(crate) fn keys_of(name: &[u8]) -> Vec<Vec<u8>> {
    let keys = Keys::new(name.into());
    let mut all = vec![keys.queue().to_vec(), keys.claimed(&ConsumerIds::of("a").next())];
    all.extend(keys.beside().map(<[u8]>::to_vec));
    if keys.refusal().is_some() { Vec::new() } else { all }
}

/// The server has a key of this name, but other keys are beside it.
const EMPTY: &str = "the name of a work queue is empty";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keys::key_slot;

    #[test]
    fn the_keys_of_a_queue_with_a_tag_are_together() {
        let keys = Keys::new("a{mail}b".into());
        let slot = key_slot(b"mail");
        let own =
            [&keys.consumers, &keys.delayed, &keys.dead, &keys.gone, &keys.held, &keys.entered];
        let others =
            [keys.unique.clone(), keys.settings.clone(), keys.claimed(&ConsumerIds::new().next())];
        assert!(keys.are_together() && !Keys::new("mail".into()).are_together());
        assert!(own.into_iter().chain(&others).all(|key| key_slot(key) == slot));
    }

    #[test]
    fn a_key_beside_a_queue_shows_its_name() {
        for name in [&b"mail"[..], b"{mail}:a", b"\xff~"] {
            let (queue, beside) = (keys_of(name)[0].clone(), keys_of(name).split_off(1));
            assert_eq!((queue_of(&queue), beside.len()), (None, KINDS.len()));
            assert!(beside.iter().all(|key| queue_of(key) == Some(name)), "{beside:?}");
        }
        for key in ["mail~rc:proof", "mail~rc:", "mail~rc:deadly", "mail~rc", "mail:dead"] {
            assert_eq!(queue_of(key.as_bytes()), None, "{key}");
        }
        assert_eq!(Keys::new("".into()).refusal(), Some(EMPTY));
    }

    #[test]
    fn every_consumer_has_another_id() {
        let (mut ids, mut others) = (ConsumerIds::new(), ConsumerIds::new());
        let given = [ids.next(), ids.next(), others.next(), others.next()];
        assert_eq!(BTreeSet::from(given).len(), 4);
    }
}
