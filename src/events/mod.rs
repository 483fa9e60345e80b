//! Events: what is told of the changes of a collection, by its writers and by the server.

mod interpreter;
mod queue;
mod sources;
mod subscription;

#[cfg(feature = "near-cache")]
pub(crate) use interpreter::{ChangeEvent, Interpreter};
pub(crate) use sources::Sources;
pub(crate) use subscription::decode_key;
pub use subscription::{Event, Subscription};
