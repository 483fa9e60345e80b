//! Comparisons of redis-collections with other libraries: the race between a client-side cache and
//! the writers that it does not see, and the stampede of processes that ask a cache for the same
//! missing key.

mod cached;
mod driver;
mod near;
mod path;
mod race;
mod stampede;
mod writer;

pub use cached::{Cached, Result};
pub use driver::{Driver, DriverCache, DriverPlain};
pub use near::{Keyspace, Kind, Near, Tracking, Way, WriterMessages};
pub use path::Path;
pub use race::{Outcome, READERS, Race};
pub use stampede::{Stampede, Stampeded, Subject, run_as_worker};
