//! What the environment decides.

use std::env;

/// The URL of the server. It may have a password in it, so it is never printed.
pub fn redis_url() -> String {
    env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".to_owned())
}

pub fn listen_address() -> String {
    env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned())
}
