//! Updates of keywords as they come: monitors, and functions that are called for each.

mod buffer;
mod monitor;
mod watch;

pub use self::monitor::Monitor;
pub use self::watch::Watch;
