//! The keyword service: named, typed values that instruments, services and control programs publish, and
//! that clients on other machines read, write with an acknowledgement, and watch.
//!
//! Keys, channels and statuses are those of the Redis backend of the Python package Cauldron, so that its
//! dispatchers and clients and these ones work together.
//!
//! A service lives on one server, or on the master that Sentinels name. A cluster is refused: the names of
//! the keys are Cauldron's, and lie in many slots.

mod client;
mod definition;
mod description;
mod dispatcher;
mod handle;
mod hearing;
mod hook;
mod kind;
mod lease;
mod legacy;
mod listing;
mod look;
mod message;
mod monitor;
mod names;
mod reading;
mod service;
mod service_definition;
mod value;
mod watch;
mod wishes;
mod write;

pub use client::{Client, ServiceState};
pub use definition::Keyword;
pub use description::{Access, Description};
pub use dispatcher::{Dispatcher, DispatcherBuilder};
pub use handle::{Handle, KeywordValue};
pub use hook::Change;
pub use kind::Kind;
#[cfg(test)]
pub(crate) use look::read_description;
#[cfg(test)]
pub(crate) use message::read_message;
pub use monitor::Monitor;
#[cfg(test)]
pub(crate) use names::keys_of;
pub use reading::{Reading, Status};
pub use service::Service;
pub use service_definition::ServiceDefinition;
pub use value::Value;
pub use watch::Watch;
