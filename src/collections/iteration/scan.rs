//! Iteration page by page, in memory that does not grow with the collection.

use std::collections::VecDeque;
use std::fmt;

#[cfg(feature = "async")]
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "async")]
use futures_util::Stream;

use super::cursor::Cursor;
use super::page_size::PageSize;
#[cfg(feature = "async")]
use crate::client::AsyncClient;
use crate::client::{Client, Executor, RoundTrips};
use crate::error::Result;

/// An iteration over a collection, fetched page by page: an [`Iterator`] on a [`Client`], a
/// `Stream` on an `AsyncClient`.
///
/// An element that cannot be decoded is an `Err` in its place, and the iteration goes on. An error
/// of the connection or the server is the last item.
///
/// Elements that are present during the whole iteration are found. Those that are added or removed
/// meanwhile may or may not be. An element is not found twice, unless the server repeats it after
/// more than 30,000 others. If another process answers, after a restart or a failover, the scan of
/// its elements starts over. Each page includes `INFO server` to tell one process from another; for
/// a user without permission to call it, an iteration of several pages uses a dedicated connection.
///
/// Elements that move from one node of a cluster to another may be found twice or not at all.
#[must_use = "an iteration does nothing unless it is consumed"]
pub struct Scan<T, E: Executor = Client> {
    fetch: Fetch<T, E>,
    cursor: Option<Cursor>,
    ready: VecDeque<Result<T>>,
    #[cfg(feature = "async")]
    asked: Option<E::Reply<Page<T>>>,
}

/// Fetches the page at a cursor.
type Fetch<T, E> = Box<dyn Fn(Cursor) -> <E as Executor>::Reply<Page<T>> + Send>;

/// A fetched page: the cursor of the next one, and the elements.
pub(crate) type Page<T> = (Cursor, Vec<Result<T>>);

impl<T, E: Executor> Scan<T, E> {
    pub(crate) fn new(fetch: impl Fn(Cursor) -> E::Reply<Page<T>> + Send + 'static) -> Self {
        Self {
            fetch: Box::new(fetch),
            cursor: Some(Cursor::default()),
            ready: VecDeque::new(),
            #[cfg(feature = "async")]
            asked: None,
        }
    }

    /// Sets about how many elements to fetch in one round trip, at most 4,000. Defaults to 1,000.
    ///
    /// Pages adapt to what came back, except those of lists. Where elements are large, they have
    /// fewer, so that a page takes about a megabyte; the first page is not adapted. Where few of
    /// the elements that the server visits match, it visits more for one page, up to 4,000.
    pub fn page_size(mut self, elements: usize) -> Self {
        if let Some(cursor) = &mut self.cursor {
            cursor.size = PageSize::of(elements);
        }
        self
    }

    /// Accepts a page, and keeps its cursor unless it was the last.
    fn take_in(&mut self, (cursor, found): Page<T>) {
        self.ready = found.into();
        self.cursor = Some(cursor).filter(|cursor| !cursor.is_done());
    }
}

impl<T: Send + 'static, E: RoundTrips> Scan<T, E> {
    /// Iterates over the elements of a collection at `place` whose stored form matches `glob`.
    /// `page` fetches those at a cursor.
    pub(in crate::collections) fn over<P, F>(
        executor: &E,
        place: &P,
        glob: &[u8],
        page: impl Fn(E, P, Vec<u8>, Cursor) -> F + Send + 'static,
    ) -> Self
    where
        P: Clone + Send + 'static,
        F: Future<Output = Result<Page<T>>> + Send + 'static,
    {
        let (executor, place, glob) = (executor.clone(), place.clone(), glob.to_vec());
        Self::new(move |cursor| {
            executor.converse(page(executor.clone(), place.clone(), glob.clone(), cursor))
        })
    }
}

impl<T: Send + 'static> Iterator for Scan<T, Client> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            match (self.fetch)(self.cursor.take()?) {
                Ok(page) => self.take_in(page),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(feature = "async")]
impl<T: Send + 'static> Scan<T, AsyncClient> {
    /// The next element, for loops without a stream crate.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

#[cfg(feature = "async")]
impl<T: Send + 'static> Stream for Scan<T, AsyncClient> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            let mut asked = match (self.asked.take(), self.cursor.take()) {
                (Some(asked), _) => asked,
                (None, Some(cursor)) => (self.fetch)(cursor),
                (None, None) => return Poll::Ready(None),
            };
            match Pin::new(&mut asked).poll(context) {
                Poll::Ready(Ok(page)) => self.take_in(page),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    self.asked = Some(asked);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// No field is pinned.
#[cfg(feature = "async")]
impl<T, E: Executor> Unpin for Scan<T, E> {}

impl<T, E: Executor> fmt::Debug for Scan<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// Collects all elements of a collection at `place`, up to the first that cannot be decoded. `page`
/// fetches them as in [`Scan::over`].
pub(in crate::collections) fn gather<T, C, E, P, F>(
    executor: &E,
    place: &P,
    page: impl Fn(E, P, Vec<u8>, Cursor) -> F + Send + Sync + 'static,
) -> E::Reply<C>
where
    T: Send + 'static,
    C: Default + Extend<T> + Send + 'static,
    E: RoundTrips,
    P: Clone + Send + Sync + 'static,
    F: Future<Output = Result<Page<T>>> + Send + 'static,
{
    let (sender, place) = (executor.clone(), place.clone());
    executor.converse(async move {
        let mut all = C::default();
        let mut cursor = Cursor::default();
        while !cursor.is_done() {
            let (next, found) = page(sender.clone(), place.clone(), b"*".to_vec(), cursor).await?;
            all.extend(found.into_iter().collect::<Result<Vec<T>>>()?);
            cursor = next;
        }
        Ok(all)
    })
}
