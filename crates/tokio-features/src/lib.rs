//! What redis-collections needs on tokio where its features `async` and `tls` meet.
//!
//! Async TLS is a feature of its own in the redis crate, and a library of its own. Cargo cannot
//! turn on a feature of one dependency, or a dependency, where two features meet, but it can turn
//! on `tls` of this crate where this crate is used, that is with the feature `async`. So `tls`
//! without `async` brings no tokio.

#[cfg(feature = "tls")]
pub use tokio_rustls::TlsConnector;
