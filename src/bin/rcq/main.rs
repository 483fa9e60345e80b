//! `rcq` looks after the work queues of this crate from the command line.
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod base64;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod history;

mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::program::run(commands::run)
}
