//! Commands in flight, and how many of them travel together.

use std::ptr;

use redis::Value;

use super::retry_decision::RetryDecision;
use super::router::asking;
use crate::connection::TransportResult;
use crate::limits::{BYTES_PER_COMMAND, ENTRIES_PER_COMMAND};
use crate::protocol::{Form, Line};
use crate::topology::Destination;

/// A command in flight, among others.
pub(super) struct PendingCommand<'a> {
    pub(super) line: Line<'a>,
    /// The slot of its keys, if any.
    origin: Option<u16>,
    pub(super) to: Destination,
    pub(super) asking: bool,
    /// The address of the server that was asked last.
    pub(super) asked: String,
    pub(super) outcome: TransportResult<Value>,
    /// Whether it is not sent, since an earlier part of its request failed.
    pub(super) is_skipped: bool,
}

impl<'a> PendingCommand<'a> {
    pub(super) fn new(line: Line<'a>, slot: Option<u16>) -> Self {
        let (origin, to, asking, asked) = (slot, Destination::Slot(slot), false, String::new());
        Self { line, origin, to, asking, asked, outcome: Ok(Value::Nil), is_skipped: false }
    }

    /// Returns whether the server has not executed it, or did so without success.
    pub(super) fn has_failed(&self) -> bool {
        !matches!(&self.outcome, Ok(reply) if !matches!(reply, Value::ServerError(_)))
    }

    /// Returns whether it is another part of the same request.
    pub(super) fn continues(&self, other: &Self) -> bool {
        ptr::eq(self.line.request, other.line.request)
    }

    /// Skips it, with the outcome of an earlier part.
    pub(super) fn fail_as(&mut self, earlier: &Self) {
        (self.outcome, self.is_skipped) = (earlier.outcome.clone(), true);
    }

    /// How many items and bytes it adds to a batch: none if it is not divided.
    fn weight(&self) -> (usize, usize) {
        self.line.part.map_or((0, 0), |items| (items.len(), self.line.size()))
    }

    /// Redirects the command according to `decision`, or back to its origin.
    pub(super) fn turn(&mut self, decision: RetryDecision, redirected: bool) {
        (self.to, self.asking) = match decision {
            RetryDecision::Ask(address) if redirected => {
                (Destination::Address(address.into()), true)
            }
            RetryDecision::Moved(address) if redirected => {
                (Destination::Address(address.into()), false)
            }
            _ => (Destination::Slot(self.origin), false),
        };
    }
}

/// How many of these commands are sent together: the replies to large ones are awaited before others
/// are sent, so that neither side has to keep many.
pub(super) fn batch_length(commands: &[PendingCommand<'_>]) -> usize {
    let (mut items, mut bytes) = (0, 0);
    let fits = |command: &&PendingCommand<'_>| {
        let weight = command.weight();
        (items, bytes) = (items + weight.0, bytes + weight.1);
        items <= BATCH * ENTRIES_PER_COMMAND && bytes <= BATCH * BYTES_PER_COMMAND
    };
    commands.iter().take_while(fits).count().max(1)
}

/// The lines to send for a group of pending commands. The first use of a script includes its
/// source, so that the server has it.
pub(super) fn lines<'a>(pending: &[PendingCommand<'a>], group: &[usize]) -> Vec<Line<'a>> {
    let mut loaded: Vec<&str> = Vec::new();
    let mut lines = Vec::with_capacity(group.len());
    for command in group.iter().map(|&index| &pending[index]) {
        lines.extend(command.asking.then(asking));
        lines.push(with_source_once(command.line, &mut loaded));
    }
    lines
}

/// Returns `line`, with its source if it is a script that is not `loaded` yet.
pub(crate) fn with_source_once<'a>(line: Line<'a>, loaded: &mut Vec<&'a str>) -> Line<'a> {
    match line.script() {
        Some(script) if !loaded.contains(&&script.hash[..]) => {
            loaded.push(&script.hash);
            Line { form: Form::WithSource, ..line }
        }
        _ => line,
    }
}

/// How many full pages travel together.
pub(super) const BATCH: usize = 16;
