//! `rckey` reads, writes and watches the keywords of services from the command line.
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod commands;
mod opened;
mod reading;
mod table;
mod watch;

use std::process::ExitCode;

use redis_collections_cli::program;

fn main() -> ExitCode {
    program::run(commands::run)
}
