use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
#[cfg(feature = "async")]
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "async")]
use futures_util::Stream;

use super::interpreter::{ChangeEvent, Interpreter};
use super::queue::Queue;
use super::sources::Sources;
#[cfg(feature = "async")]
use crate::client::AsyncClient;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::connection::Push;
use crate::error::Result;
use crate::keys::matches;
use crate::listen::{Feed, FeedHandler, FeedInfo, FeedOptions, has_ended};
use crate::lock::Lock;
use crate::reply::decode_bytes;
use crate::request::Request;
use crate::topology::Topology;

/// A change to a collection. `K` is a key of a dictionary, a member of a set, or a number of items
/// of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<K> {
    /// It exists, and did not before.
    Inserted(K),
    /// It has another value, or is new: not every writer reports whether it existed before.
    Updated(K),
    /// It was set, as in [`Updated`](Self::Updated). Its writer, a program with Python's
    /// redis-pydict or with [`ChangeFormat::PyDict`](crate::ChangeFormat::PyDict), gave this
    /// notification id.
    ///
    /// The message has no value: as in Python, [`get`](crate::RedisDict::get) returns it
    /// afterwards.
    Notified {
        /// The key of the entry.
        key: K,
        /// The id, empty if none was set. Bytes that are not UTF-8 are replaced.
        id: String,
    },
    /// It was removed, or evicted by the server.
    Removed(K),
    /// Its time to live ended.
    Expired(K),
    /// All entries were removed in one step.
    Cleared,
    /// Changes may have been missed: the connection was lost for a while, a message was lost, a
    /// writer changed a hash, list or set without publishing the change, or `union_into` and its like
    /// stored a set with more than a thousand members. A program that mirrors the collection must
    /// read it again.
    Gap,
}

/// The change events of a collection as they happen: an [`Iterator`] on a [`Client`], which waits
/// for the next event for ever, a `Stream` on an `AsyncClient`.
///
/// An event arrives after the change. The events of one writer arrive in order, except that in a
/// cluster each node has an order of its own. An event with a key that cannot be decoded is an
/// `Err`. A change may be reported more than once, as one that is published in a format of Python is
/// where the server notifies of it too. If more than 100,000 events are pending, they become a
/// [`Gap`](Event::Gap).
///
/// Whatever happens to the connection, the subscription reconnects by itself and reports a `Gap`.
/// Dropping it ends it, together with its connection and its two threads, or its task on an
/// `AsyncClient`.
#[must_use = "a subscription delivers nothing unless it is read"]
pub struct Subscription<K, E = Client> {
    shared: Arc<Shared<K>>,
    _feed: Feed,
    executor: PhantomData<fn() -> E>,
}

/// The part of a subscription that the feed's thread or task fills.
struct Shared<K> {
    queue: Queue<Result<Event<K>>>,
    state: Lock<State>,
    pattern: Vec<u8>,
    decode: fn(&[u8]) -> Result<K>,
}

/// The state that translates messages.
struct State {
    interpreter: Interpreter,
    topology: Arc<Topology>,
}

impl<K: Send + 'static, E: RoundTrips> Subscription<K, E> {
    /// Subscribes to changes of keys that match `pattern`, where the server's keys begin with
    /// `base`.
    pub(crate) async fn open(
        executor: E,
        sources: Sources,
        (base, slot): (Vec<u8>, Option<u16>),
        pattern: Vec<u8>,
        decode: fn(&[u8]) -> Result<K>,
    ) -> Result<Self> {
        let options = FeedOptions {
            slot,
            commands: sources.commands(),
            optional_commands: sources.optional_commands(&base),
            keyspace: Some(sources.kinds()),
            ..FeedOptions::new(base)
        };
        let interpreter = Interpreter::new(sources);
        let state = Lock::new(State { interpreter, topology: Arc::new(Topology::new([])) });
        let shared = Arc::new(Shared { queue: Queue::new(), state, pattern, decode });
        let feed = executor.feed(options, shared.clone()).await?;
        Ok(Self { shared, _feed: feed, executor: PhantomData })
    }

    /// Returns whether the server itself reports changes too, so that writers that do not publish,
    /// and entries that expire or are evicted, are covered. This needs keyspace notifications,
    /// which this subscription turns on if it may.
    pub fn sees_foreign_writes(&self) -> bool {
        self.shared.state().interpreter.reports_keys
    }
}

impl<K> Subscription<K, Client> {
    /// Returns the next event, if one happens within `time`.
    pub fn next_within(&mut self, time: Duration) -> Option<Result<Event<K>>> {
        self.shared.queue.wait(Some(time))
    }
}

impl<K> Iterator for Subscription<K, Client> {
    type Item = Result<Event<K>>;

    fn next(&mut self) -> Option<Result<Event<K>>> {
        self.shared.queue.wait(None)
    }
}

#[cfg(feature = "async")]
impl<K> Subscription<K, AsyncClient> {
    /// Waits for the next event, for loops without a stream crate.
    pub async fn next(&mut self) -> Result<Event<K>> {
        poll_fn(|context| self.shared.queue.poll(context)).await
    }
}

#[cfg(feature = "async")]
impl<K> Stream for Subscription<K, AsyncClient> {
    type Item = Result<Event<K>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.queue.poll(context).map(Some)
    }
}

impl<K> Shared<K> {
    /// Queues the event of a change, if it matches the pattern.
    fn push(&self, change: ChangeEvent<'_>) {
        let event = match change {
            ChangeEvent::Inserted(key) => self.about(key, Event::Inserted),
            ChangeEvent::Updated(key) => self.about(key, Event::Updated),
            ChangeEvent::Notified(key, id) => self.about(key, |key| {
                let id = String::from_utf8_lossy(id).into_owned();
                Event::Notified { key, id }
            }),
            ChangeEvent::Removed(key) => self.about(key, Event::Removed),
            ChangeEvent::Expired(key) => self.about(key, Event::Expired),
            ChangeEvent::Touched(_) => None,
            ChangeEvent::Cleared => Some(Ok(Event::Cleared)),
            ChangeEvent::Missed => Some(Ok(Event::Gap)),
        };
        if let Some(event) = event {
            self.queue.push(event, || Ok(Event::Gap));
        }
    }

    /// The event of a key, if it matches the pattern.
    fn about(&self, key: &[u8], event: impl FnOnce(K) -> Event<K>) -> Option<Result<Event<K>>> {
        matches(&self.pattern, key).then(|| (self.decode)(key).map(event))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl<K: Send + 'static> FeedHandler for Shared<K> {
    fn on_push(&self, server: usize, push: Push<'_>) {
        match push {
            Push::Message { channel, payload } => {
                let mut state = self.state();
                let topology = state.topology.clone();
                let mut emit = |change: ChangeEvent<'_>| self.push(change);
                let message = (channel, payload);
                state.interpreter.translate((server, &topology), message, &mut emit);
            }
            Push::Flushed => self.push(ChangeEvent::Cleared),
            Push::Changed(_) | Push::Role { .. } | Push::Ended => {}
        }
    }

    fn on_connected(&self, session: u64, info: FeedInfo, _watermark: u64) {
        let mut state = self.state();
        state.interpreter.restart(info.reports_keys);
        state.topology = info.topology;
        drop(state);
        if session > 1 {
            self.push(ChangeEvent::Missed);
        }
    }

    fn on_end(&self) {
        self.queue.end(|| Err(has_ended()));
    }
}

impl<K, E> fmt::Debug for Subscription<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Decodes a key of an event.
pub(crate) fn decode_key<K: Codec>(key: &[u8]) -> Result<K::Owned> {
    decode_bytes::<K>(key.to_vec(), || Request::read("SUBSCRIBE").key(key).attempt())
}
