//! Translation of messages into change events.

use std::collections::{HashMap, HashSet};

use super::sources::{Channel, Sources};
use crate::changes::{Kind, Structure, parse};
use crate::keys::key_slot;
use crate::topology::Topology;

/// A change to a collection, as a received message reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(not(feature = "near-cache"), allow(unreachable_pub))]
pub enum ChangeEvent<'a> {
    Inserted(&'a [u8]),
    Updated(&'a [u8]),
    /// The key, and the id that its writer gave the update.
    Notified(&'a [u8], &'a [u8]),
    Removed(&'a [u8]),
    Expired(&'a [u8]),
    /// Only its expiration has changed.
    Touched(&'a [u8]),
    /// All entries are gone.
    Cleared,
    /// Something else may have changed.
    Missed,
}

/// Translates the messages about a collection, in the order in which each server sent them.
///
/// A writer that publishes its changes also causes a keyspace notification of the server. The two
/// arrive right after each other, so that the second is recognized as the echo of the first.
pub(crate) struct Interpreter {
    pub(crate) sources: Sources,
    /// Whether the server sends notifications for all changes to keys.
    pub(crate) reports_keys: bool,
    /// The number of the last message of each stream.
    sequences: HashMap<Option<u16>, u64>,
    /// The entries whose echo is still to come; for a collection under one key, an empty one.
    echoes: HashSet<Vec<u8>>,
    /// The key that each server has just created. Messages of several servers arrive interleaved.
    created: HashMap<usize, Vec<u8>>,
}

impl Interpreter {
    pub(crate) fn new(sources: Sources) -> Self {
        let (sequences, echoes, created) = Default::default();
        Self { sources, reports_keys: false, sequences, echoes, created }
    }

    /// Starts over, after messages may have been lost.
    pub(crate) fn restart(&mut self, reports_keys: bool) {
        self.reports_keys = reports_keys;
        self.sequences.clear();
        self.echoes.clear();
        self.created.clear();
    }

    /// Translates a message that came from one of the servers.
    pub(crate) fn translate<'a>(
        &mut self,
        (server, topology): (usize, &Topology),
        (channel, payload): (&'a [u8], &'a [u8]),
        emit: &mut dyn FnMut(ChangeEvent<'a>),
    ) {
        // The nodes of a cluster forward published messages: such a message may overtake others,
        // and may get lost.
        let has_slot = |slot| topology.owner(slot) == Some(server);
        let is_owner = |key: &[u8]| has_slot(key_slot(key));
        match self.sources.of(channel) {
            Some(Channel::Own) => {
                self.read(payload, |stream: Option<u16>| stream.is_none_or(has_slot), emit);
            }
            Some(Channel::Updated) if is_owner(&self.sources.key(payload)) => {
                emit(ChangeEvent::Updated(payload));
            }
            Some(Channel::Deleted) if is_owner(&self.sources.key(payload)) => {
                emit(ChangeEvent::Removed(payload));
            }
            Some(Channel::Entry(entry)) if is_owner(&self.sources.key(entry)) => {
                emit(ChangeEvent::Notified(entry, payload));
            }
            Some(Channel::Key(entry)) => self.notified(server, entry, payload, emit),
            _ => {}
        }
    }

    /// Translates a message of a writer that uses this crate.
    fn read<'a>(
        &mut self,
        payload: &'a [u8],
        is_of_server: impl Fn(Option<u16>) -> bool,
        emit: &mut dyn FnMut(ChangeEvent<'a>),
    ) {
        let Some(message) = parse(payload) else { return emit(ChangeEvent::Missed) };
        if !is_of_server(message.stream) {
            return;
        }
        let before = self.sequences.insert(message.stream, message.sequence);
        if before.is_some_and(|before| before.wrapping_add(1) != message.sequence) {
            emit(ChangeEvent::Missed);
        }
        for change in message.changes {
            match change.kind {
                Kind::Inserted => emit(ChangeEvent::Inserted(change.key)),
                Kind::Updated => emit(ChangeEvent::Updated(change.key)),
                Kind::Removed => emit(ChangeEvent::Removed(change.key)),
                Kind::TimeToLive => emit(ChangeEvent::Touched(change.key)),
                Kind::Cleared => emit(ChangeEvent::Cleared),
                Kind::Missed => emit(ChangeEvent::Missed),
                Kind::Void => self.echoes.clear(),
            }
            let is_dict = self.sources.structure == Structure::Dict;
            let is_echoed = match change.kind {
                Kind::Void => false,
                // A mere change of the expiration has an event of its own, except for a field.
                Kind::TimeToLive => !is_dict && !change.key.is_empty(),
                _ => true,
            };
            if is_echoed && self.reports_keys {
                self.expect_echo(if is_dict { change.key } else { b"" });
            }
        }
    }

    /// Records that the server will report the same change once more. If too many are expected, all
    /// are dropped.
    fn expect_echo(&mut self, entry: &[u8]) {
        if self.echoes.len() >= MAX_ECHOES {
            self.echoes.clear();
        }
        self.echoes.insert(entry.to_vec());
    }

    /// Translates a keyspace notification of the server: <https://valkey.io/topics/notifications/>.
    fn notified<'a>(
        &mut self,
        server: usize,
        entry: &'a [u8],
        event: &[u8],
        emit: &mut dyn FnMut(ChangeEvent<'a>),
    ) {
        let is_dict = self.sources.structure == Structure::Dict;
        match event {
            b"new" => {
                self.created.insert(server, entry.to_vec());
                return;
            }
            b"expire" | b"persist" if is_dict => return emit(ChangeEvent::Touched(entry)),
            b"expire" | b"persist" => return emit(ChangeEvent::Touched(b"")),
            _ => {}
        }
        let is_new = self.created.remove(&server).is_some_and(|key| key == entry) && is_dict;
        let is_end = matches!(event, b"del" | b"expired" | b"evicted" | b"rename_from");
        let is_end = is_end || event == b"move_from";
        if !matches!(event, b"expired" | b"evicted") && self.echoes.remove(entry) {
            return;
        }
        match (is_dict, is_end) {
            (true, true) if event == b"expired" => emit(ChangeEvent::Expired(entry)),
            (true, true) => emit(ChangeEvent::Removed(entry)),
            (true, false) if is_new => emit(ChangeEvent::Inserted(entry)),
            (true, false) => emit(ChangeEvent::Updated(entry)),
            (false, true) => emit(ChangeEvent::Cleared),
            (false, false) => emit(ChangeEvent::Missed),
        }
    }
}

/// More than one message can announce.
const MAX_ECHOES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::ChangePublishing;

    #[test]
    fn keys_created_on_several_servers_are_distinguished() {
        let publishing = ChangePublishing::of(None, Structure::Dict, b"d:");
        let mut interpreter = Interpreter::new(Sources::new(&publishing, 0));
        let mut events = Vec::new();
        for (server, key, event) in
            [(0, "a", "new"), (1, "b", "new"), (1, "b", "set"), (0, "a", "set"), (0, "a", "set")]
        {
            let emit = &mut |change: ChangeEvent<'_>| events.push(format!("{change:?}"));
            interpreter.notified(server, key.as_bytes(), event.as_bytes(), emit);
        }
        assert_eq!(events, ["Inserted([98])", "Inserted([97])", "Updated([97])"]);
    }
}
