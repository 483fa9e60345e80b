//! Nothing but features of the redis crate.
//!
//! Async TLS is a feature of its own there. Cargo cannot turn on a feature of one dependency where two
//! features meet, but it can turn on `tls` of this crate where this crate is used, that is with the
//! feature `async`. So `tls` without `async` brings no tokio.
