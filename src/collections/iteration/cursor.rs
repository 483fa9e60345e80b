//! The state of an iteration over a collection or over the keys of the servers.

use std::fmt;
use std::mem;
use std::sync::Arc;

use redis::Value;

use super::cycle_detector::CycleDetector;
use super::page_size::PageSize;
use super::recent::Recent;
use crate::client::RoundTrips;
use crate::collections::name::Name;
use crate::command::Command;
use crate::error::{Attempt, Error, Result};
use crate::reply;
use crate::request::Request;
use crate::routing::ScanOrigin;

/// The state of an iteration: its position, the process that answers, recently seen elements, and
/// those still to be read.
/// Owned by one iteration and passed from page to page.
#[derive(Default)]
#[cfg_attr(not(feature = "near-cache"), allow(unreachable_pub))]
pub struct Cursor {
    /// The position at which the server must continue, or `None` at the end.
    position: Position,
    recent: Recent,
    cycle_detector: CycleDetector,
    pub(super) size: PageSize,
    /// Keys that were found and whose values are still to be read.
    unread: Vec<Vec<u8>>,
    /// The process that the position belongs to.
    origin: ScanOrigin,
    /// How often the scan of a server was restarted.
    repetitions: usize,
    /// Whether elements may be found again from now on although their keys stay.
    repeats: bool,
    /// A slot of the server being scanned, if there are several servers.
    slot: Option<u16>,
    /// The servers scanned so far.
    visited: Vec<Arc<str>>,
}

/// A position in the table of one server.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Position {
    #[default]
    Start,
    At(u64),
    End,
}

impl Cursor {
    /// The position for the server, where the start is zero.
    pub(crate) fn position(&self) -> u64 {
        match self.position {
            Position::At(position) => position,
            Position::Start | Position::End => 0,
        }
    }

    /// The number of elements to ask for in one page.
    pub(crate) fn page_size(&self) -> usize {
        self.size.visited()
    }

    /// Fetches the next page of the collection, or of a key beside it, stored under `name`,
    /// filtered by `glob`.
    pub(crate) async fn page<E: RoundTrips>(
        &mut self,
        executor: &E,
        refusal: Option<&'static str>,
        command: &'static str,
        name: &Name,
        glob: &[u8],
    ) -> Result<Vec<Vec<u8>>> {
        let request = Request::read(command).refuse_if(refusal).key(name.as_bytes());
        let (read, parts): (Read, _) =
            if command == "HSCAN" { (reply::scanned_entries, 2) } else { (reply::scanned, 1) };
        let request = self.finish(request, glob).returns(read);
        let Some(found) = self.take_page(executor, request, nothing()).await?.0 else {
            return Ok(Vec::new());
        };
        self.size.weigh(found.len() / parts, found.iter().map(Vec::len).sum());
        self.size.adapt(found.len() / parts);
        Ok(found)
    }

    /// Fetches the next page of the keys that match `pattern`, one server after the other: those of
    /// a kind, such as `string`, if there is one.
    pub(crate) async fn keys<E: RoundTrips>(
        &mut self,
        executor: &E,
        refusal: Option<&'static str>,
        pattern: &[u8],
        kind: Option<&'static str>,
    ) -> Result<Vec<Vec<u8>>> {
        Ok(self.keys_beside(executor, refusal, pattern, kind, nothing()).await?.0)
    }

    /// Like [`keys`](Self::keys), and sends another read in the same round trip.
    pub(crate) async fn keys_beside<T: Send + 'static, E: RoundTrips>(
        &mut self,
        executor: &E,
        refusal: Option<&'static str>,
        pattern: &[u8],
        kind: Option<&'static str>,
        beside: Command<T>,
    ) -> Result<(Vec<Vec<u8>>, T)> {
        let first = executor.topology().await?.next_slot(0, &[]);
        let slot = self.slot.or(first).unwrap_or_default();
        self.slot = Some(slot);
        let request = self.finish(Request::read("SCAN").refuse_if(refusal).at_slot(slot), pattern);
        let request = match kind {
            Some(kind) => request.arg("TYPE").arg(kind),
            None => request,
        };
        let request = request.returns(reply::scanned);
        let attempt = request.request.attempt();
        let (found, other) = self.take_page(executor, request, beside).await?;
        if let Some(found) = &found {
            self.size.adapt(found.len());
        }
        let topology = executor.topology().await?;
        if self.position == Position::End {
            match topology.address(slot) {
                Some(address) if **address == *self.origin.address() => {
                    self.visited.push(address.clone());
                    self.cycle_detector = CycleDetector::default();
                    self.size.start_over();
                    self.slot = topology.next_slot(slot, &self.visited);
                    self.position = self.slot.map_or(Position::End, |_| Position::Start);
                }
                // Another server owns the slot now. It may hold keys in other slots that this one
                // did not.
                _ => self.begin_again(attempt)?,
            }
        }
        self.repeats |= self.visited.iter().any(|server| !topology.servers().contains(server));
        Ok((found.unwrap_or_default(), other))
    }

    /// Returns a page, unless it comes from another process than the previous one. That process
    /// orders its elements differently, so the scan restarts. The reply to `beside` counts in any
    /// case.
    async fn take_page<T: Send + 'static, E: RoundTrips>(
        &mut self,
        executor: &E,
        command: Command<Scanned>,
        beside: Command<T>,
    ) -> Result<(Option<Vec<Vec<u8>>>, T)> {
        let attempt = command.request.attempt();
        let page = executor.send_page(command, beside, &mut self.origin).await?;
        let ((position, found), other) = page;
        if self.position != Position::Start && !self.origin.is_same() {
            self.begin_again(attempt)?;
            return Ok((None, other));
        }
        self.go_on(position, attempt)?;
        Ok((Some(found), other))
    }

    /// Restarts the scan of a server, unless it was restarted too often.
    fn begin_again(&mut self, attempt: Attempt) -> Result<()> {
        self.repetitions += 1;
        if self.repetitions > MAX_REPETITIONS {
            return Err(Error::UnexpectedReply {
                attempt: Box::new(attempt),
                expected: "all pages from one process",
                found: "another one again and again",
            });
        }
        (self.position, self.cycle_detector, self.repeats) =
            (Position::Start, CycleDetector::default(), true);
        self.size.start_over();
        Ok(())
    }

    /// Returns whether the elements counted so far may come again. If so, all of them do, from the
    /// start.
    pub(crate) fn counts_anew(&mut self) -> bool {
        if self.repeats {
            let (size, repetitions) = (self.size, self.repetitions);
            let origin = mem::take(&mut self.origin);
            *self = Self { size, repetitions, origin, ..Self::default() };
            return true;
        }
        false
    }

    /// Appends the arguments of a scan for the next page.
    fn finish(&self, request: Request, glob: &[u8]) -> Request {
        let request = request.number(self.position()).arg("MATCH").arg(glob);
        request.arg("COUNT").number(self.page_size())
    }

    /// Continues at `position` of the server's table, unless the scan can no longer end.
    fn go_on(&mut self, position: u64, attempt: Attempt) -> Result<()> {
        if position != 0 && !self.cycle_detector.takes(position, self.page_size()) {
            return Err(Error::UnexpectedReply {
                attempt: Box::new(attempt),
                expected: "a cursor that comes to an end",
                found: "one that goes on for ever",
            });
        }
        self.advance(position);
        Ok(())
    }

    /// Continues at `position`, where zero is the end.
    pub(crate) fn advance(&mut self, position: u64) {
        self.position = if position == 0 { Position::End } else { Position::At(position) };
    }

    /// Returns whether all pages were fetched, and all keys read.
    pub(crate) fn is_done(&self) -> bool {
        self.position == Position::End && self.unread.is_empty()
    }

    /// Records how many bytes some elements had.
    pub(crate) fn weigh(&mut self, elements: usize, bytes: usize) {
        self.size.weigh(elements, bytes);
    }

    /// Keeps keys whose values are to be read later.
    pub(crate) fn keep_unread(&mut self, keys: Vec<Vec<u8>>) {
        self.unread = keys;
    }

    /// Takes keys whose values are to be read now. Returns whether the next page of keys is to be
    /// fetched too: the server that returned the keys has more, or no keys are left.
    pub(crate) fn take_unread(&mut self) -> (Vec<Vec<u8>>, bool) {
        let later = self.unread.len().saturating_sub(self.size.most_elements());
        let keys = self.unread.split_off(later);
        let continues = matches!(self.position, Position::At(_));
        let is_due = later == 0 && (continues || keys.is_empty());
        (keys, is_due)
    }

    /// Returns whether `element` was not seen recently.
    pub(crate) fn is_new(&mut self, element: &[u8]) -> bool {
        self.recent.insert(element)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.position)
    }
}

/// The next position, and the elements before it.
type Scanned = (u64, Vec<Vec<u8>>);

/// How to read the reply to a request for a page.
type Read = fn(reply::Reply<'_>) -> Result<Scanned>;

/// A command that is not sent.
fn nothing() -> Command<()> {
    Request::read("PING").answered(Value::Nil).returns(|_| Ok(()))
}

/// Only a scan whose every page comes from a server that has just started, or over connections that
/// never last to a server without an identity, restarts so often.
const MAX_REPETITIONS: usize = 100;
