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
use crate::keyword::client::look;
use crate::keyword::description::Access;
use crate::keyword::names::KeywordName;
use crate::keyword::reading::Reading;
#[cfg(feature = "async")]
use crate::listen::has_ended;
use crate::listen::{Feed, FeedOptions, OF_STRINGS};
use crate::request::Request;
use crate::time::Deadline;
use crate::time::Wait;

/// The values of keywords as they change: an [`Iterator`] on a [`Client`], which waits for ever, a
/// `Stream` on an `AsyncClient`.
///
/// First comes the present state of each keyword, or an `Err` where it has no value, then each
/// change of the value, the [status](Reading::status) and the [error](Reading::error), and of
/// whether a dispatcher [serves](Reading::is_served) it: `modify` while a write is done, then
/// `ready` or `error`. Who is slower than the dispatcher for long misses changes, but never the
/// last. What others set than a dispatcher of this crate is heard of if the server has keyspace
/// notifications, which are turned on where that is allowed. It is read then, as are values of more
/// than 1 MiB.
///
/// Whatever happens to the connection, the monitor connects again by itself and goes on with what
/// has changed meanwhile. Dropping it ends it, with its connection and its two threads, or its task
/// on an `AsyncClient`. It ends too with the runtime in which it was made; then it only gives
/// errors.
#[must_use = "values are lost that nobody takes"]
pub struct Monitor<E = Client> {
    pub(crate) executor: E,
    pub(crate) buffer: Arc<UpdateBuffer>,
    pub(crate) feed: Feed,
    #[cfg(feature = "async")]
    asked: Option<Asked>,
}

/// The search for the next value, kept when nobody waits for it.
#[cfg(feature = "async")]
type Asked = Pin<Box<dyn Future<Output = Result<Option<Result<Reading>>>> + Send>>;

impl<E: RoundTrips> Service<E> {
    /// Listens to the changes of `keywords`, on a connection of its own, and reads them: one round
    /// trip for a thousand. Every value that a dispatcher of this crate sets after this has
    /// returned is told. While the monitor is read it looks at the lease of the dispatcher whenever
    /// that may have run out.
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

    /// Listens to the changes of all keywords, also of those that are new, as
    /// [`monitor`](Self::monitor) does. Another round trip for a thousand finds out what keywords
    /// there are.
    pub fn monitor_all(&self) -> E::Reply<Monitor<E>> {
        let service = self.clone();
        self.executor.converse(async move { Monitor::open(&service, None).await })
    }
}

impl<E: RoundTrips> Monitor<E> {
    pub(crate) async fn open(
        service: &Service<E>,
        only: Option<HashSet<KeywordName>>,
    ) -> Result<Self> {
        let (executor, name) = (service.executor.clone(), service.name("monitor")?.clone());
        let keyspace = format!("__keyspace@{}__:", executor.database()).into_bytes();
        let few = only.as_ref().filter(|only| only.len() <= MOST_CHANNELS);
        let subscribe = |channel| Request::read("SUBSCRIBE").arg(channel);
        let (commands, wishes) = match few {
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
            optional_commands: wishes,
            keyspace: Some(OF_STRINGS),
            ..FeedOptions::new(name.base())
        };
        let buffer = Arc::new(UpdateBuffer::new(name, only, executor.database()));
        let feed = executor.feed(options, buffer.clone()).await?;
        // What is set from now on comes after what is there, however late the first one is taken.
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

    /// Whether the server itself tells of new values too, so that other writers than dispatchers of
    /// this crate are heard. For a user who may neither ask for the server's setting nor change a
    /// key beside the service's, it is known with the first change.
    pub fn sees_foreign_writes(&self) -> bool {
        self.buffer.sees_foreign_writes()
    }
}

impl Monitor<Client> {
    /// The next value, if one comes within `time`.
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
    /// The next value, for loops without a crate for streams. Dropping the future loses none.
    pub async fn next(&mut self) -> Result<Reading> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Reading>> {
        if self.buffer.has_ended() {
            // It may wait for a timer of the runtime that has ended.
            self.asked = None;
            return Poll::Ready(match self.buffer.next() {
                Next::Tell(reading) => reading,
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

/// The next value, if one comes in time and nobody ends the wait.
pub(crate) async fn next<E: RoundTrips>(
    executor: E,
    buffer: Arc<UpdateBuffer>,
    wait: Wait,
) -> Result<Option<Result<Reading>>> {
    let deadline = Deadline::after(wait);
    while !buffer.signal.is_closed() {
        let failed = match buffer.next() {
            Next::Tell(reading) => return Ok(Some(reading)),
            Next::FindOut(unknown) => find_out(&executor, &buffer, unknown).await.err(),
            Next::Wait(_) if deadline.is_over() => return Ok(None),
            Next::Wait(time) => {
                executor.wait(buffer.signal.raised(), deadline.left().min(time)).await;
                None
            }
        };
        match failed {
            // Whoever has no connection is told of what has changed when there is one again.
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

/// Has the buffer know what it does not, or else want to know it again.
async fn find_out<E: RoundTrips>(
    executor: &E,
    buffer: &UpdateBuffer,
    unknown: Unknown,
) -> Result<()> {
    match unknown {
        Unknown::Standing => match client::standing(executor, &buffer.service).await {
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
                buffer.soil(readable.filter_map(|known| KeywordName::new(&known.name).ok()));
                Ok(())
            }
            Err(error) => {
                buffer.list_again();
                Err(error)
            }
        },
        Unknown::States(session, keywords) => {
            match look(executor, &buffer.service, &keywords).await {
                Ok(readings) => {
                    buffer.have_read(session, keywords, readings);
                    Ok(())
                }
                Err(error) => {
                    buffer.soil(keywords);
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

/// With more keywords than this all of the service are heard, and those picked out that are wanted.
const MOST_CHANNELS: usize = 100;
const PAUSE: Duration = Duration::from_millis(200);
