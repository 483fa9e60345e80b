//! `rcq` looks after the work queues of this crate from the command line.
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod commands;
mod failure;
mod history;
mod shown;
mod terminal;
mod watch;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser;
use clap::error::ErrorKind;
use failure::Failure;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => commands::run(&arguments),
        Err(error) if is_help(&error) => return print_help(&error),
        Err(error) => Err(Failure::Usage(error.to_string())),
    };
    match outcome.and_then(|()| Ok(io::stdout().flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // Where nobody reads the message, there is the code.
            let _ = writeln!(io::stderr(), "rcq: {}", without_secrets(failure.in_one_line()));
            failure.code()
        }
    }
}

fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn print_help(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { failure::USAGE.into() } else { ExitCode::SUCCESS }
}

/// Without the user and password of any URL that the program was given, also in a wrong place.
fn without_secrets(message: String) -> String {
    let given = env::args_os().chain(env::var_os("REDIS_URL"));
    given.fold(message, |message, given| {
        let given = given.to_string_lossy();
        let secret = given.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        match secret {
            Some((secret, _)) if !secret.is_empty() => message.replace(secret, "…"),
            _ => message,
        }
    })
}
