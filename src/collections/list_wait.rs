//! Blocking pops of a [`RedisList`], and iteration over its items.

use super::iteration::{Page, Scan};
use super::list::RedisList;
use super::name::Name;
use crate::client::{Executor, RoundTrips};
use crate::codec::Codec;
use crate::error::Result;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::time::Wait;

/// Waiting calls use dedicated connections. They return `None` when the time is up. Until then they
/// survive whatever cannot have taken an item: a server that is down, restarted or replaced, and
/// transient refusals ([`Error::is_transient`](crate::Error::is_transient)). An obstacle that
/// remains when the time is up is returned as an error. [`Wait::Forever`] has no end.
impl<T: Codec, E: RoundTrips> RedisList<T, E> {
    /// Removes and returns the first item, waiting for one if there is none. `BLPOP`, O(1).
    ///
    /// For the effect of a lost connection see the
    /// [delivery guarantees](#delivery-guarantees-of-a-pop).
    pub fn wait_pop_front(&self, wait: impl Into<Wait>) -> E::Reply<Option<T::Owned>> {
        self.executor
            .run(self.writing("BLPOP").undone_by("LPUSH").waits(wait.into()).returns(item::<T>))
    }

    /// Removes and returns the last item, waiting for one if there is none. `BRPOP`, O(1).
    pub fn wait_pop_back(&self, wait: impl Into<Wait>) -> E::Reply<Option<T::Owned>> {
        self.executor
            .run(self.writing("BRPOP").undone_by("RPUSH").waits(wait.into()).returns(item::<T>))
    }

    /// Moves the first item to the end of `other` and returns it, waiting for one if there is none.
    /// `BLMOVE`, O(1).
    ///
    /// Whatever happens to the connection, the item is in one of the two lists. If the connection
    /// breaks during the wait, the move is sent again, so more than one item may move.
    pub fn wait_pop_front_to<F: Executor>(
        &self,
        other: &RedisList<T, F>,
        wait: impl Into<Wait>,
    ) -> E::Reply<Option<T::Owned>> {
        let request = self.writing("BLMOVE").named(other.name.as_bytes()).arg("LEFT").arg("RIGHT");
        self.executor.run(request.waits(wait.into()).returns(reply::optional::<T>))
    }

    /// Removes the first item of this list or, if it is empty, of the first of `others` that has
    /// one, waiting if all are empty. Returns the item and the index of its list, where 0 is this
    /// one. `BLPOP`, O(lists).
    ///
    /// ```
    /// # let server = redis_collections::LocalServer::start()?;
    /// # let client = redis_collections::Client::open(server.url())?;
    /// use std::time::Duration;
    ///
    /// use redis_collections::RedisList;
    ///
    /// let urgent: RedisList<String> = RedisList::new(&client, "urgent");
    /// let usual: RedisList<String> = RedisList::new(&client, "usual");
    /// usual.push_back("sweep")?;
    /// let taken = urgent.wait_pop_any(&[&usual], Duration::from_secs(5))?;
    /// assert_eq!(taken, Some((1, "sweep".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_pop_any(
        &self,
        others: &[&Self],
        wait: impl Into<Wait>,
    ) -> E::Reply<Option<(usize, T::Owned)>> {
        let others = others.iter().map(|list| list.name.clone());
        let names: Vec<Name> = std::iter::once(self.name.clone()).chain(others).collect();
        let request = Request::write("BLPOP").undone_by("LPUSH");
        let request = names.iter().fold(request, |request, name| request.named(name.as_bytes()));
        let command = request.waits(wait.into()).returns(reply::popped::<T>);
        let executor = self.executor.clone();
        self.executor.converse(async move {
            let popped = executor.send(command).await?;
            let place = |key: &[u8]| names.iter().position(|name| name.as_bytes() == key);
            Ok(popped.map(|(key, item)| (place(&key).unwrap_or_default(), item)))
        })
    }

    /// Iterates over all items from the first to the last. `LRANGE` by pages, each O(items before
    /// it + page).
    ///
    /// Items that are pushed to or popped from the front meanwhile shift the others: some may be
    /// found twice or not at all.
    pub fn iter(&self) -> Scan<T::Owned, E> {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        Scan::new(move |mut cursor| {
            let (within, name) = (executor.clone(), name.clone());
            executor.converse(async move {
                let (first, items) = (cursor.position(), cursor.page_size());
                let last = first + items as u64 - 1;
                let request = Request::read("LRANGE").named(name.as_bytes());
                let request = request.number(first).number(last);
                let found = within.send(request.returns(reply::each::<T>)).await?;
                cursor.advance(if found.len() < items { 0 } else { last + 1 });
                Ok::<Page<T::Owned>, _>((cursor, found))
            })
        })
    }
}

/// Reads the item from the reply of `BLPOP`, without the list's name.
fn item<T: Codec>(reply: Reply<'_>) -> Result<Option<T::Owned>> {
    Ok(reply::popped::<T>(reply)?.map(|(_, item)| item))
}
