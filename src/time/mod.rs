//! Time, and waiting for events in this program.

mod block_on;
pub(crate) mod clock;
mod completion;
mod deadline;
mod join_all;
mod signal;
mod wait;

pub(crate) use self::block_on::{block_on, finish};
pub(crate) use self::completion::Completion;
pub(crate) use self::deadline::{Deadline, Pauses};
pub(crate) use self::join_all::join_all;
pub(crate) use self::signal::Signal;
pub use self::wait::Wait;
