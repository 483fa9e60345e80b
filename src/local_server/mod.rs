//! A private server process for examples, doc tests and tests.

#[cfg(unix)]
mod directory;
#[cfg(unix)]
mod process;
mod program;
mod server;
#[cfg(not(unix))]
mod unsupported;

pub use self::server::LocalServer;
