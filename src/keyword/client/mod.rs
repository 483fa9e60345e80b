//! Clients of keyword services.

mod cauldron;
mod listing;
mod read_values;
mod served;
mod service;
mod services;
mod write;
mod write_requests;

pub(super) use self::listing::keywords;
#[cfg(test)]
pub(crate) use self::read_values::read_description;
pub(super) use self::read_values::{fresh, lookup, one};
pub use self::served::ServiceState;
pub(super) use self::served::served_status;
pub use self::service::Service;
pub(super) use self::service::refuse_clusters;
pub use self::services::Client;
