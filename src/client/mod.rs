//! Clients: the executors that send commands, and how they are opened.

mod blocking;
mod builder;
mod deferred;
mod executor;
mod open;
mod pipeline;
mod round_trips;
#[cfg(feature = "async")]
mod tokio;
mod write_observer;

pub use self::blocking::Client;
pub use self::builder::ClientBuilder;
pub use self::deferred::Deferred;
pub use self::executor::Executor;
#[cfg(feature = "near-cache")]
pub(crate) use self::executor::sealed::InternalClient;
pub use self::pipeline::Pipeline;
pub use self::round_trips::RoundTrips;
#[cfg(feature = "async")]
pub use self::tokio::{AsyncClient, ReplyFuture};
#[cfg(feature = "near-cache")]
pub(crate) use self::write_observer::WriteObserver;
