//! `rckey` reads, writes and watches the keywords of services from the command line.
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod opened;
mod reading;
mod table;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::program::run(commands::run)
}
