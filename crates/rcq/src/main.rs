//! `rcq` manages the work queues of this crate from the command line.
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod base64;
mod commands;
mod connect;
mod drain;
mod history;
mod list;
mod opened;
mod running;
mod stats;
mod watch;

use std::process::ExitCode;

use redis_collections_cli::program;

fn main() -> ExitCode {
    program::run(commands::run)
}
