//! Events: what is told of the changes of a collection, by its writers and by the server.

mod glob;
mod interpreter;
mod queue;
mod sources;
mod subscription;

pub(crate) use interpreter::{Interpreter, Told};
pub(crate) use sources::Sources;
pub use subscription::{Event, Subscription};
