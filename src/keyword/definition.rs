use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::description::{Access, Description};
use super::hook::{Change, Hooks};
use super::kind::Kind;
use super::value::Value;
use crate::answer::HandlerResult;
use crate::client::{Client, RoundTrips};

/// A keyword as its dispatcher defines it: what it is, and what is done when it is written or read.
///
/// The functions get owned values and give a `Result` on a [`Client`](crate::Client), a future of
/// one on an `AsyncClient`, with any error; its text is what clients are told. One that panics has
/// failed. One that hangs keeps only its own keyword, but where it blocks a thread of an async
/// runtime also what else runs on that.
#[must_use = "a keyword does nothing before a dispatcher has it"]
pub struct Keyword<E = Client> {
    pub(super) description: Description,
    pub(super) initial: Option<Value>,
    pub(super) history: usize,
    pub(super) every: Option<Duration>,
    pub(super) is_always_written: bool,
    /// Whether clients may do neither.
    pub(super) is_contradictory: bool,
    pub(super) hooks: Hooks<E>,
}

impl<E: RoundTrips> Keyword<E> {
    /// A keyword of any type.
    pub fn new(name: &str, kind: Kind) -> Self {
        Description::new(name, kind).into()
    }

    /// A text.
    pub fn string(name: &str) -> Self {
        Self::new(name, Kind::String)
    }

    /// A whole number of 32 bits.
    pub fn integer(name: &str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// Yes or no.
    pub fn boolean(name: &str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// A number with a fraction.
    pub fn double(name: &str) -> Self {
        Self::new(name, Kind::Double)
    }

    /// A number with a fraction. On the wire and here the same as a double.
    pub fn float(name: &str) -> Self {
        Self::new(name, Kind::Float)
    }

    /// One of several values, which are called `labels` and are 0, 1, 2 and so on. What is called
    /// by a number has to be that number.
    pub fn enumerated<L: Into<String>>(name: &str, labels: impl IntoIterator<Item = L>) -> Self {
        Self::new(name, Kind::Enumerated).labels(labels)
    }

    /// Any number of bits, which are called `labels`, the lowest first. At most 31.
    pub fn mask<L: Into<String>>(name: &str, labels: impl IntoIterator<Item = L>) -> Self {
        Self::new(name, Kind::Mask).labels(labels)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    fn labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.description.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// The unit of its numbers.
    pub fn units(mut self, units: &str) -> Self {
        self.description.units = Some(units.into());
        self
    }

    /// The least and the greatest number it takes.
    pub fn range(mut self, range: RangeInclusive<f64>) -> Self {
        self.description.range = Some([*range.start(), *range.end()]);
        self
    }

    /// What it is for.
    pub fn help(mut self, help: &str) -> Self {
        self.description.help = Some(help.into());
        self
    }

    /// Refuses what clients write.
    pub fn read_only(mut self) -> Self {
        self.set_access(Access::ReadOnly);
        self
    }

    /// Publishes no value: what clients write is only given to [`on_write`](Self::on_write), which
    /// it needs.
    pub fn write_only(mut self) -> Self {
        self.set_access(Access::WriteOnly);
        self
    }

    fn set_access(&mut self, access: Access) {
        let before = std::mem::replace(&mut self.description.access, access);
        self.is_contradictory |= before != Access::ReadWrite && before != access;
    }

    /// The value it has when its dispatcher starts. If none is given it keeps what it has in Redis;
    /// what may not be its value any more is dropped, which is an error of the keyword until it
    /// gets another.
    pub fn initial(mut self, value: impl Into<Value>) -> Self {
        self.initial = Some(value.into());
        self
    }

    /// How many of its last values the dispatcher remembers. Defaults to 16.
    pub fn history(mut self, values: usize) -> Self {
        self.history = values;
        self
    }

    /// Looks at a value that is to be set, after type and range were. It may be called at any time
    /// and should not wait for anything.
    pub fn check<X: fmt::Display>(
        mut self,
        check: impl Fn(&Value) -> Result<(), X> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.check = Some(Arc::new(move |value| check(value).map_err(|why| why.to_string())));
        self
    }

    /// Makes another value of one that is to be set. It should not wait for anything.
    pub fn translate<X: fmt::Display>(
        mut self,
        translate: impl Fn(Value) -> Result<Value, X> + Send + Sync + 'static,
    ) -> Self {
        let translate = move |value| translate(value).map_err(|why| why.to_string());
        self.hooks.translate = Some(Arc::new(translate));
        self
    }

    /// Does what a client has written: the keyword gets the value after that, and the client hears
    /// of it. It may take its time; values that are written meanwhile come after each other.
    ///
    /// It is not called for the value that the keyword has already, unless that is in doubt since
    /// it failed, the client [forces](super::Service::force_write) it, or the keyword is [always
    /// written](Self::always_write).
    pub fn on_write<R: HandlerResult<(), E>>(
        mut self,
        write: impl Fn(Value) -> R + Send + Sync + 'static,
    ) -> Self {
        self.hooks.set_write(write);
        self
    }

    /// Calls [`on_write`](Self::on_write) also for the value that the keyword has already, as a
    /// command wants it: `HOME` is done each time that it is written. By default such a write is
    /// acknowledged without a call.
    pub fn always_write(mut self) -> Self {
        self.is_always_written = true;
        self
    }

    /// Finds out the value, whenever [`refresh`](super::Dispatcher::refresh) asks for it.
    pub fn on_read<R: HandlerResult<Value, E>>(
        mut self,
        read: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        self.hooks.set_read(read);
        self
    }

    /// Finds out the value when the dispatcher starts and then every `period`, by
    /// [`on_read`](Self::on_read).
    pub fn every(mut self, period: Duration) -> Self {
        self.every = Some(period);
        self
    }

    /// Is told of each new value, once and in the order in which the server got them, after it was
    /// published. One call runs at a time, so that a `set` beside others may return before its own.
    /// It should not wait for anything: where it is 10,000 values behind, it misses the oldest.
    ///
    /// Values whose replies were lost are among them, also those that were overwritten by then: up
    /// to 1 MiB of such values of a keyword are kept on the server, the latest ones.
    pub fn on_change(mut self, tell: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.hooks.changed = Some(Arc::new(tell));
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

const HISTORY: usize = 16;
