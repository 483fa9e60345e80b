use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::description::{Access, Description};
use super::hook::{Change, Hooks};
use super::kind::Kind;
use super::value::Value;
use crate::client::{Client, RoundTrips};
use crate::handler_result::HandlerResult;

/// A keyword as its dispatcher defines it: its description, and the functions called when it is
/// written or read.
///
/// The functions receive owned values and return a `Result` on a [`Client`](crate::Client), a
/// future of one on an `AsyncClient`, with any error; clients receive its text. A panic counts as a
/// failure. A function that hangs blocks only its own keyword; where it blocks a thread of an async
/// runtime, it blocks whatever else runs on that thread too.
#[must_use = "a keyword does nothing before a dispatcher has it"]
pub struct Keyword<E = Client> {
    pub(super) description: Description,
    pub(super) initial: Option<Value>,
    pub(super) history: usize,
    pub(super) every: Option<Duration>,
    pub(super) is_always_written: bool,
    /// Whether it is both read-only and write-only.
    pub(super) is_contradictory: bool,
    pub(super) hooks: Hooks<E>,
}

impl<E: RoundTrips> Keyword<E> {
    /// Creates a keyword of any type.
    pub fn new(name: &str, kind: Kind) -> Self {
        Description::new(name, kind).into()
    }

    /// Creates a keyword with text values.
    pub fn string(name: &str) -> Self {
        Self::new(name, Kind::String)
    }

    /// Creates a keyword with 32-bit integer values.
    pub fn integer(name: &str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// Creates a keyword with boolean values.
    pub fn boolean(name: &str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// Creates a keyword with floating-point values.
    pub fn double(name: &str) -> Self {
        Self::new(name, Kind::Double)
    }

    /// Creates a keyword with floating-point values, which on the wire and here are the same as
    /// doubles.
    pub fn float(name: &str) -> Self {
        Self::new(name, Kind::Float)
    }

    /// Creates a keyword with a fixed set of values, named by `labels` and numbered from 0. A label
    /// that is a number must be the number of its own value.
    pub fn enumerated<L: Into<String>>(name: &str, labels: impl IntoIterator<Item = L>) -> Self {
        Self::new(name, Kind::Enumerated).labels(labels)
    }

    /// Creates a keyword with a set of bits, named by `labels`, the lowest first. At most 31.
    pub fn mask<L: Into<String>>(name: &str, labels: impl IntoIterator<Item = L>) -> Self {
        Self::new(name, Kind::Mask).labels(labels)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    fn labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.description.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the unit of the values.
    pub fn units(mut self, units: &str) -> Self {
        self.description.units = Some(units.into());
        self
    }

    /// Sets the least and the greatest value.
    pub fn range(mut self, range: RangeInclusive<f64>) -> Self {
        self.description.range = Some([*range.start(), *range.end()]);
        self
    }

    /// Sets the description for users.
    pub fn help(mut self, help: &str) -> Self {
        self.description.help = Some(help.into());
        self
    }

    /// Refuses writes by clients.
    pub fn read_only(mut self) -> Self {
        self.set_access(Access::ReadOnly);
        self
    }

    /// Publishes no value. Values that clients write are only passed to
    /// [`on_write`](Self::on_write), which is required.
    pub fn write_only(mut self) -> Self {
        self.set_access(Access::WriteOnly);
        self
    }

    fn set_access(&mut self, access: Access) {
        let before = std::mem::replace(&mut self.description.access, access);
        self.is_contradictory |= before != Access::ReadWrite && before != access;
    }

    /// Sets the value at the dispatcher's start. Without it the keyword keeps its value in Redis. A
    /// value that is no longer valid is dropped, which is an error of the keyword until it gets
    /// another.
    pub fn initial(mut self, value: impl Into<Value>) -> Self {
        self.initial = Some(value.into());
        self
    }

    /// Sets how many of its last values the dispatcher remembers. Defaults to 16.
    pub fn history(mut self, values: usize) -> Self {
        self.history = values;
        self
    }

    /// Validates a new value, after its type and range. It may be called at any time and should not
    /// block.
    pub fn check<X: fmt::Display>(
        mut self,
        check: impl Fn(&Value) -> Result<(), X> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.check = Some(Arc::new(move |value| check(value).map_err(|why| why.to_string())));
        self
    }

    /// Replaces a new value by another. It should not block.
    pub fn translate<X: fmt::Display>(
        mut self,
        translate: impl Fn(Value) -> Result<Value, X> + Send + Sync + 'static,
    ) -> Self {
        let translate = move |value| translate(value).map_err(|why| why.to_string());
        self.hooks.translate = Some(Arc::new(translate));
        self
    }

    /// Carries out a client's write. After it returns, the keyword gets the value and the client is
    /// notified. It may take its time; values that are written meanwhile are processed in turn.
    ///
    /// It is not called for a value that the keyword already has, unless that value is in doubt
    /// after a failure, the client [forces](super::Service::force_write) the write, or the keyword
    /// is [always written](Self::always_write).
    pub fn on_write<R: HandlerResult<(), E>>(
        mut self,
        write: impl Fn(Value) -> R + Send + Sync + 'static,
    ) -> Self {
        self.hooks.set_write(write);
        self
    }

    /// Calls [`on_write`](Self::on_write) even for a value that the keyword already has, which
    /// suits commands: `HOME` is carried out each time it is written. By default such a write is
    /// acknowledged without a call.
    pub fn always_write(mut self) -> Self {
        self.is_always_written = true;
        self
    }

    /// Determines the value, whenever [`refresh`](super::Dispatcher::refresh) asks for it.
    pub fn on_read<R: HandlerResult<Value, E>>(
        mut self,
        read: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        self.hooks.set_read(read);
        self
    }

    /// Determines the value when the dispatcher starts and then every `period`, by
    /// [`on_read`](Self::on_read).
    pub fn every(mut self, period: Duration) -> Self {
        self.every = Some(period);
        self
    }

    /// Is called for each new value, once and in the order in which the server received them, after
    /// publication. One call runs at a time, so that a `set` concurrent with others may return
    /// before its own call. It should not block: if it is 10,000 values behind, it misses the
    /// oldest.
    ///
    /// Values whose replies were lost are included, even if they have been overwritten: up to 1 MiB
    /// of the latest such values of a keyword are kept on the server.
    pub fn on_change(mut self, changed: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.hooks.changed = Some(Arc::new(changed));
        self
    }
}

impl<E> From<Description> for Keyword<E> {
    fn from(description: Description) -> Self {
        let (initial, every, hooks) = Default::default();
        let (is_always_written, is_contradictory) = Default::default();
        Self {
            description,
            initial,
            history: HISTORY,
            every,
            is_always_written,
            is_contradictory,
            hooks,
        }
    }
}

impl<E> fmt::Debug for Keyword<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyword").field("description", &self.description).finish_non_exhaustive()
    }
}

/// How many values a dispatcher remembers by default.
const HISTORY: usize = 16;
