use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "async")]
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "async")]
use futures_util::Stream;

use super::buffer::{Next, Unknown, UpdateBuffer};
#[cfg(feature = "async")]
use crate::client::AsyncClient;
use crate::client::{Client, RoundTrips};
use crate::error::Result;
use crate::keys::escape;
use crate::keyword::client;
use crate::keyword::client::Service;
use crate::keyword::client::lookup;
use crate::keyword::description::Access;
use crate::keyword::names::KeywordName;
use crate::keyword::reading::Reading;
#[cfg(feature = "async")]
use crate::listen::has_ended;
use crate::listen::{Feed, FeedOptions, OF_STRINGS};
use crate::request::Request;
use crate::time::Deadline;
use crate::time::Wait;

/// The changes of keywords: an [`Iterator`] on a [`Client`], which waits for ever, a `Stream` on an
/// `AsyncClient`.
///
/// First it returns the present state of each keyword, or an `Err` if there is no value. Then it
/// returns each change of the value, the [status](Reading::status), the [error](Reading::error),
/// and of whether a dispatcher [serves](Reading::is_served) the keyword: `modify` during a write,
/// then `ready` or `error`. A reader that stays slower than the dispatcher misses changes, but
/// never the last. Values that are not set by a dispatcher of this crate are reported only if the
/// server has keyspace notifications, which are turned on if that is permitted. The monitor reads
/// them from the server, as it does values of more than 1 MiB.
///
/// The monitor reconnects by itself after any loss of the connection, and continues with the
/// changes since. Dropping it ends it, with its connection and its two threads, or its task on an
/// `AsyncClient`. It ends too with the runtime in which it was created; then it only returns
/// errors.
#[must_use = "a monitor delivers nothing unless it is read"]
pub struct Monitor<E = Client> {
    pub(crate) executor: E,
    pub(crate) buffer: Arc<UpdateBuffer>,
    pub(crate) feed: Feed,
    #[cfg(feature = "async")]
    asked: Option<Asked>,
}

/// The pending wait for the next value, kept when its future is dropped.
#[cfg(feature = "async")]
type Asked = Pin<Box<dyn Future<Output = Result<Option<Result<Reading>>>> + Send>>;

impl<E: RoundTrips> Service<E> {
    /// Subscribes to the changes of `keywords`, on a connection of its own, and reads them. One
    /// round trip per thousand.
    ///
    /// Every value that a dispatcher of this crate sets after this has returned is reported. While
    /// the monitor is being read, it checks the dispatcher's lease whenever that may have expired.
    pub fn monitor(
        &self,
        keywords: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> E::Reply<Monitor<E>> {
        let service = self.clone();
        let keywords = keywords.into_iter();
        let keywords: Result<HashSet<_>> =
            keywords.map(|keyword| self.keyword("monitor", keyword.as_ref())).collect();
        self.executor.converse(async move { Monitor::open(&service, Some(keywords?)).await })
    }

    /// Subscribes to the changes of all keywords, including new ones, as [`monitor`](Self::monitor)
    /// does. Another round trip per thousand lists the keywords.
    pub fn monitor_all(&self) -> E::Reply<Monitor<E>> {
        let service = self.clone();
        self.executor.converse(async move { Monitor::open(&service, None).await })
    }
}

impl<E: RoundTrips> Monitor<E> {
    /// Subscribes first and then reads the present states, so that no change is missed.
    pub(crate) async fn open(
        service: &Service<E>,
        only: Option<HashSet<KeywordName>>,
    ) -> Result<Self> {
        let (executor, name) = (service.executor.clone(), service.name("monitor")?.clone());
        let keyspace = format!("__keyspace@{}__:", executor.database()).into_bytes();
        let few = only.as_ref().filter(|only| only.len() <= MAX_CHANNELS);
        let subscribe = |channel| Request::read("SUBSCRIBE").arg(channel);
        let (commands, optional_commands) = match few {
            Some(few) => {
                let changes = few.iter().map(|keyword| name.changes(keyword));
                let keys = few.iter().flat_map(|it| [name.value(it), name.status(it)]);
                let channels = keys.map(|key| [&keyspace[..], &key].concat());
                let all = changes.chain([name.all_changes()]).map(subscribe);
                (all.collect(), channels.map(subscribe).collect())
            }
            None => {
                let keys = [keyspace, name.values()].concat();
                (vec![every(&name.all_changes())], vec![every(&keys)])
            }
        };
        let options = FeedOptions {
            commands,
            optional_commands,
            keyspace: Some(OF_STRINGS),
            ..FeedOptions::new(name.base())
        };
        let buffer = Arc::new(UpdateBuffer::new(name, only, executor.database()));
        let feed = executor.feed(options, buffer.clone()).await?;
        // Values that are set from now on follow the present state, however late the first one is
        // taken.
        while let Some(unknown) = buffer.unseen() {
            find_out(&executor, &buffer, unknown).await?;
        }
        Ok(Self {
            executor,
            buffer,
            feed,
            #[cfg(feature = "async")]
            asked: None,
        })
    }

    /// Returns whether the server sends notifications of new values, so that values are reported
    /// which other programs than dispatchers of this crate set. For a user that may neither read
    /// the server's setting nor change a key beside the service's, it is known with the first
    /// change.
    pub fn sees_foreign_writes(&self) -> bool {
        self.buffer.sees_foreign_writes()
    }
}

impl Monitor<Client> {
    /// Returns the next value, if one arrives within `time`.
    pub fn next_within(&mut self, time: Duration) -> Option<Result<Reading>> {
        let next = next(self.executor.clone(), self.buffer.clone(), Wait::For(time));
        self.executor.converse(next).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl Iterator for Monitor<Client> {
    type Item = Result<Reading>;

    fn next(&mut self) -> Option<Result<Reading>> {
        let next = next(self.executor.clone(), self.buffer.clone(), Wait::Forever);
        self.executor.converse(next).unwrap_or_else(|error| Some(Err(error)))
    }
}

#[cfg(feature = "async")]
impl Monitor<AsyncClient> {
    /// Returns the next value, for loops without a stream crate. Dropping the future loses none.
    pub async fn next(&mut self) -> Result<Reading> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Reading>> {
        if self.buffer.has_ended() {
            // It may wait for a timer of the runtime that has ended.
            self.asked = None;
            return Poll::Ready(match self.buffer.next() {
                Next::Deliver(reading) => reading,
                _ => Err(has_ended()),
            });
        }
        loop {
            let asked = self.asked.get_or_insert_with(|| {
                Box::pin(next(self.executor.clone(), self.buffer.clone(), Wait::Forever))
            });
            let Poll::Ready(next) = asked.as_mut().poll(context) else { return Poll::Pending };
            self.asked = None;
            if let Some(reading) = next.unwrap_or_else(|error| Some(Err(error))) {
                return Poll::Ready(reading);
            }
        }
    }
}

#[cfg(feature = "async")]
impl Stream for Monitor<AsyncClient> {
    type Item = Result<Reading>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context).map(Some)
    }
}

/// Nothing in it is pinned.
#[cfg(feature = "async")]
impl<E> Unpin for Monitor<E> {}

/// Returns the next value; `None` if none arrives in time or the signal is closed.
pub(crate) async fn next<E: RoundTrips>(
    executor: E,
    buffer: Arc<UpdateBuffer>,
    wait: Wait,
) -> Result<Option<Result<Reading>>> {
    let deadline = Deadline::after(wait);
    while !buffer.signal.is_closed() {
        let failed = match buffer.next() {
            Next::Deliver(reading) => return Ok(Some(reading)),
            Next::FindOut(unknown) => find_out(&executor, &buffer, unknown).await.err(),
            Next::Wait(_) if deadline.is_over() => return Ok(None),
            Next::Wait(time) => {
                executor.wait(buffer.signal.raised(), deadline.left().min(time)).await;
                None
            }
        };
        match failed {
            // Without a connection, the changes are reported when there is one again.
            Some(error) if error.is_transient() => {
                if deadline.is_over() {
                    return Ok(None);
                }
                executor.pause(deadline.left().min(PAUSE)).await;
            }
            Some(error) => return Err(error),
            None => {}
        }
    }
    Ok(None)
}

/// Supplies the information that the buffer lacks. After a failure the buffer requests it again.
async fn find_out<E: RoundTrips>(
    executor: &E,
    buffer: &UpdateBuffer,
    unknown: Unknown,
) -> Result<()> {
    match unknown {
        Unknown::ServedStatus => match client::served_status(executor, &buffer.service).await {
            Ok((is_served, time)) => {
                buffer.have_attended(is_served, time);
                Ok(())
            }
            Err(error) if error.is_transient() => Err(error),
            Err(_) => {
                buffer.attend_no_more();
                Ok(())
            }
        },
        Unknown::List => match client::keywords(executor, &buffer.service).await {
            Ok(found) => {
                let readable = found.iter().filter(|known| known.access != Access::WriteOnly);
                buffer.mark_stale(readable.filter_map(|known| KeywordName::new(&known.name).ok()));
                Ok(())
            }
            Err(error) => {
                buffer.list_again();
                Err(error)
            }
        },
        Unknown::States(session, keywords) => {
            match lookup(executor, &buffer.service, &keywords).await {
                Ok(readings) => {
                    buffer.have_read(session, keywords, readings);
                    Ok(())
                }
                Err(error) => {
                    buffer.mark_stale(keywords);
                    Err(error)
                }
            }
        }
    }
}

/// Subscribes to every channel that begins with `start`.
fn every(start: &[u8]) -> Request {
    Request::read("PSUBSCRIBE").arg([escape(start), b"*".to_vec()].concat())
}

impl<E> fmt::Debug for Monitor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// With more keywords than this, the monitor subscribes to all of the service and filters the
/// events.
const MAX_CHANNELS: usize = 100;
const PAUSE: Duration = Duration::from_millis(200);
