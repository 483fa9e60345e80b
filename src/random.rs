//! Ids that no other program has.

use std::hash::{BuildHasher, RandomState};
use std::process;
use std::time::Instant;

/// 32 hexadecimal digits, from keys that the operating system draws.
pub(crate) fn unique_id() -> String {
    let state = RandomState::new();
    let half = |half: u8| state.hash_one((process::id(), Instant::now(), half));
    format!("{:016x}{:016x}", half(1), half(2))
}

/// A number that is not in any earlier message of the same connection.
pub(crate) fn nonce() -> String {
    format!("{:016x}", fastrand::u64(..))
}
