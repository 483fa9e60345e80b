//! What compares redis-collections with other libraries: benchmarks in `benches`, and here the race
//! between a client-side cache and the writers it does not see.

mod cached;
mod driver;
mod path;
mod race;

pub use cached::{Cached, Result};
pub use driver::{Driver, DriverCache, DriverPlain};
pub use path::Path;
pub use race::{Outcome, READERS, Race};
