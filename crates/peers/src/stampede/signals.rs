//! The lists and the counter by which the processes and the stampede know of each other.

use std::time::Duration;

/// An element for each thread that is ready to ask.
pub(super) const READY: &str = "ready";
/// An element for each thread that may ask.
pub(super) const GO: &str = "go";
/// How many loads began.
pub(super) const LOADS: &str = "loads";
/// The processes whose first load is half done.
pub(super) const HALF_WAY: &str = "half-way";
/// The process and the answer of each thread.
pub(super) const ANSWERS: &str = "answers";

/// The last argument of processes in which the first load of all hangs half-way, until it is
/// killed.
pub(super) const HANGS: &str = "hangs";
pub(super) const VALUE: &str = "the value";
/// How long a load takes.
pub(super) const LOAD: Duration = Duration::from_millis(200);
