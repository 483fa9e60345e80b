//! Change events of keywords: monitors, and callbacks.

mod buffer;
mod monitor;
mod watch;

pub use self::monitor::Monitor;
pub use self::watch::Watch;
