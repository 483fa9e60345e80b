//! Iteration page by page, in memory that does not grow with the collection.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::mem;

use super::name::Name;
use crate::command::Command;
use crate::error::Result;
use crate::executor::{Client, Executor};
use crate::reply;
use crate::request::Request;

/// What an iteration finds, fetched page by page: an [`Iterator`] on a [`Client`].
///
/// An element that cannot be decoded is an `Err` in its place, and the iteration goes on. An error
/// of the connection or the server is the last item.
///
/// Elements that are there all the time are found. Those that come or go meanwhile may or may not
/// be; an element is not found twice, unless the server brings it again after more than 30,000
/// others.
#[must_use = "an iteration does nothing unless it is consumed"]
pub struct Scan<T, E: Executor = Client> {
    fetch: Fetch<T, E>,
    cursor: Option<Cursor>,
    ready: VecDeque<Result<T>>,
}

/// Asks for the page at a cursor.
type Fetch<T, E> = Box<dyn Fn(Cursor) -> <E as Executor>::Reply<Page<T>> + Send>;

/// What came of asking: where to go on, and what was found.
pub(crate) type Page<T> = (Cursor, Vec<Result<T>>);

impl<T, E: Executor> Scan<T, E> {
    pub(crate) fn new(fetch: impl Fn(Cursor) -> E::Reply<Page<T>> + Send + 'static) -> Self {
        Self { fetch: Box::new(fetch), cursor: Some(Cursor::default()), ready: VecDeque::new() }
    }

    /// About how many elements to fetch in one round trip. 1,000 if not said; fewer for large values.
    pub fn page_size(mut self, elements: usize) -> Self {
        if let Some(cursor) = &mut self.cursor {
            cursor.page_size = elements.max(1);
        }
        self
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
                Ok((cursor, found)) => {
                    self.ready = found.into();
                    self.cursor = Some(cursor).filter(|cursor| !cursor.is_done());
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<T, E: Executor> fmt::Debug for Scan<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// All that the pages of an iteration bring, up to the first element that cannot be decoded.
pub(crate) async fn gather<T, C, F>(page: impl Fn(Cursor) -> F) -> Result<C>
where
    C: Default + Extend<T>,
    F: Future<Output = Result<Page<T>>>,
{
    let mut all = C::default();
    let mut cursor = Cursor::default();
    while !cursor.is_done() {
        let (next, found) = page(cursor).await?;
        all.extend(found.into_iter().collect::<Result<Vec<T>>>()?);
        cursor = next;
    }
    Ok(all)
}

/// How far an iteration came.
#[derive(Default)]
pub(crate) struct Cursor {
    /// Where the server is to go on, or `None` at the end.
    position: Position,
    recent: Recent,
    pub(crate) page_size: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Position {
    #[default]
    Start,
    At(u64),
    End,
}

impl Cursor {
    pub(crate) fn position(&self) -> u64 {
        match self.position {
            Position::At(position) => position,
            Position::Start | Position::End => 0,
        }
    }

    pub(crate) fn page_size(&self) -> usize {
        if self.page_size == 0 { DEFAULT_PAGE } else { self.page_size }
    }

    /// The command for the next page of what is stored under `name` and matches `glob`.
    pub(crate) fn command(
        &self,
        command: &'static str,
        name: &Name,
        glob: &[u8],
    ) -> Command<(u64, Vec<Vec<u8>>)> {
        let request = Request::read(command).key(name.as_bytes()).number(self.position());
        let request = request.arg("MATCH").arg(glob).arg("COUNT").number(self.page_size());
        request.returns(reply::scanned)
    }

    /// Goes on at `position`, where zero is the end.
    pub(crate) fn advance(&mut self, position: u64) {
        self.position = if position == 0 { Position::End } else { Position::At(position) };
    }

    pub(crate) fn is_done(&self) -> bool {
        self.position == Position::End
    }

    /// Whether `element` was not seen a short while ago.
    pub(crate) fn is_new(&mut self, element: &[u8]) -> bool {
        self.recent.insert(element)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.position)
    }
}

/// The elements seen last. A server repeats elements only while its table shrinks, and then those
/// of the buckets it visited last, so that remembering a bounded number of them is enough.
#[derive(Default)]
struct Recent {
    hasher: RandomState,
    newer: Fingerprints,
    older: Fingerprints,
}

/// Hashes that are not hashed again.
type Fingerprints = HashSet<u64, BuildHasherDefault<Unchanged>>;

impl Recent {
    fn insert(&mut self, element: &[u8]) -> bool {
        let fingerprint = self.hasher.hash_one(element);
        if self.older.contains(&fingerprint) || !self.newer.insert(fingerprint) {
            return false;
        }
        if self.newer.len() >= MOST_REMEMBERED {
            mem::swap(&mut self.older, &mut self.newer);
            self.newer.clear();
        }
        true
    }
}

/// A hasher for what is a hash already.
#[derive(Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const DEFAULT_PAGE: usize = 1000;
const MOST_REMEMBERED: usize = 32 * 1024;

/// `pattern` that matches exactly `literal`.
pub(crate) fn escape_glob(literal: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(literal.len());
    for &byte in literal {
        if b"*?[]\\^-".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_element_is_seen_once_and_memory_is_bounded() {
        let mut cursor = Cursor::default();
        let mut new = |number: usize| cursor.is_new(&number.to_le_bytes());
        assert_eq!((0..10_000).filter(|&number| new(number)).count(), 10_000);
        assert_eq!((0..10_000).filter(|&number| new(number)).count(), 0);
        assert_eq!((0..200_000).filter(|&number| new(number)).count(), 190_000);
        assert!(cursor.recent.newer.len() + cursor.recent.older.len() <= 2 * MOST_REMEMBERED);
    }

    #[test]
    fn glob_characters_are_escaped() {
        assert_eq!(escape_glob(b"a*b?[c-d]\\^"), br"a\*b\?\[c\-d\]\\\^");
    }
}
