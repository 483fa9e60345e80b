//! The channels and keyspace notifications that report the changes of a collection.

use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::keys::escape;
use crate::keys::is_side_key;
use crate::listen::canaries;
use crate::request::Request;

/// The channels on which the changes of a collection are published.
#[derive(Debug)]
#[cfg_attr(not(feature = "near-cache"), allow(unreachable_pub))]
pub struct Sources {
    pub(crate) structure: Structure,
    /// The collection's key, or the prefix of all its keys.
    name: Vec<u8>,
    own: Vec<u8>,
    pubsub_dict: Option<[Vec<u8>; 2]>,
    py_dict: Option<Vec<u8>>,
    /// The prefix of the channels of keyspace notifications.
    keyspace: Vec<u8>,
}

/// The meaning of a channel.
#[derive(Debug, PartialEq)]
pub(crate) enum Channel<'a> {
    /// Messages of this crate.
    Own,
    /// Keys that were set.
    Updated,
    /// Keys that were removed.
    Deleted,
    /// One entry that was set.
    Entry(&'a [u8]),
    /// One key of the server, where the payload is the kind of change.
    Key(&'a [u8]),
}

impl Sources {
    pub(crate) fn new(publishing: &ChangePublishing, database: i64) -> Self {
        let has = |wanted: fn(&ChangeFormat) -> bool| publishing.formats().iter().any(wanted);
        let pubsub_dict = has(|format| matches!(format, ChangeFormat::PubSubDict));
        let py_dict = has(|format| matches!(format, ChangeFormat::PyDict(_)));
        Self {
            structure: publishing.structure(),
            name: publishing.name().to_vec(),
            own: publishing.own_channel(),
            pubsub_dict: pubsub_dict.then(|| publishing.pubsub_dict_channels()),
            py_dict: py_dict.then(|| publishing.py_dict_channel(b"")),
            keyspace: format!("__keyspace@{database}__:").into_bytes(),
        }
    }

    /// The commands that subscribe to the messages of writers.
    pub(crate) fn commands(&self) -> Vec<Request> {
        let channels = std::iter::once(&self.own).chain(self.pubsub_dict.iter().flatten());
        let channels = channels.map(|channel| Request::read("SUBSCRIBE").arg(channel));
        let entries = self.py_dict.iter().map(|channel| every(channel));
        channels.chain(entries).collect()
    }

    /// The optional commands that make the server send its own notifications.
    pub(crate) fn optional_commands(&self, base: &[u8]) -> Vec<Request> {
        let channel = [&self.keyspace[..], &self.name].concat();
        let keys = match self.structure {
            Structure::Dict => every(&channel),
            _ => Request::read("SUBSCRIBE").arg(channel),
        };
        // The prefix matches no existing key: the purpose is to be notified when all keys are
        // flushed.
        let track = Request::read("CLIENT").arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX");
        vec![keys, track.arg(canaries(base))]
    }

    /// The classes of keyspace notifications that cover every change: those of all types, since a
    /// missing key may become one of any type.
    pub(crate) fn kinds(&self) -> &'static str {
        match self.structure {
            Structure::Dict => "Kg$lszhtdxen",
            _ => "Kg$lszhtdxe",
        }
    }

    /// Returns the meaning of `channel`, if it belongs to this collection.
    pub(crate) fn of<'a>(&self, channel: &'a [u8]) -> Option<Channel<'a>> {
        if *channel == *self.own {
            return Some(Channel::Own);
        }
        if let Some(key) = channel.strip_prefix(&self.keyspace[..]) {
            let rest = key.strip_prefix(&self.name[..])?;
            let is_own = match self.structure {
                Structure::Dict => !is_side_key(key, self.name.len()),
                _ => rest.is_empty(),
            };
            return is_own.then_some(Channel::Key(rest));
        }
        match &self.pubsub_dict {
            Some([updated, _]) if *channel == **updated => return Some(Channel::Updated),
            Some([_, deleted]) if *channel == **deleted => return Some(Channel::Deleted),
            _ => {}
        }
        channel.strip_prefix(&self.py_dict.as_ref()?[..]).map(Channel::Entry)
    }

    /// The server's key of an entry.
    pub(crate) fn key(&self, entry: &[u8]) -> Vec<u8> {
        match self.structure {
            Structure::Dict => [&self.name, entry].concat(),
            _ => self.name.clone(),
        }
    }
}

/// Subscribes to every channel that begins with `start`.
fn every(start: &[u8]) -> Request {
    let mut pattern = escape(start);
    pattern.push(b'*');
    Request::read("PSUBSCRIBE").arg(pattern)
}
