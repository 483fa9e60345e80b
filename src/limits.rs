//! Bounds that several parts of the crate share.

/// How many entries, items or members a bulk call puts into one command at most: the server executes
/// no other client's command for about a millisecond.
///
/// A call with more of them is divided into such commands, which travel together. Each is atomic,
/// the call is not: another client may see some of its entries before the others. Within
/// [`Client::transaction`](crate::Client::transaction) no command is divided.
pub const ENTRIES_PER_COMMAND: usize = 1000;

/// How many bytes of entries a bulk call puts into one command at most, unless it is a single entry.
/// Calls with more are divided as by [`ENTRIES_PER_COMMAND`].
pub const BYTES_PER_COMMAND: usize = 1024 * 1024;
