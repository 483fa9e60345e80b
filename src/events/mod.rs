//! Change events of a collection, from its writers and from the server.

mod interpreter;
mod queue;
mod sources;
mod subscription;

#[cfg(feature = "near-cache")]
pub(crate) use interpreter::{ChangeEvent, Interpreter};
pub(crate) use sources::Sources;
pub(crate) use subscription::decode_key;
pub use subscription::{Event, Subscription};
