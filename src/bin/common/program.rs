//! How a program begins and ends.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::failure::Failure;

pub(crate) fn run<A: Parser>(act: impl FnOnce(&A) -> Result<(), Failure>) -> ExitCode {
    let outcome = match A::try_parse() {
        Ok(arguments) => act(&arguments),
        Err(error) if is_help(&error) => return print_help(&error),
        Err(error) => Err(Failure::usage(error.to_string())),
    };
    match outcome.and_then(|()| Ok(io::stdout().flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Told { code, messages }) => {
            for message in messages {
                complain::<A>(&message);
            }
            code.into()
        }
    }
}

/// Says on standard error what went wrong, in one line. Where nobody reads it, there is the exit code.
pub(crate) fn complain<A: Parser>(message: &str) {
    let command = A::command();
    let _ = writeln!(io::stderr(), "{}: {}", command.get_name(), without_secrets(message.into()));
}

fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn print_help(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Failure::USAGE.into() } else { ExitCode::SUCCESS }
}

/// Without any URL that the program was given, even in a wrong place, and without its user and password.
fn without_secrets(message: String) -> String {
    let given = env::args_os().chain(env::var_os("REDIS_URL"));
    given.fold(message, |message, given| {
        let given = given.to_string_lossy();
        let Some(start) = given.find("://") else { return message };
        // Where a URL is shown as it was given, its password may be anywhere in it.
        let message = message.replace(&given[start..], "://…");
        match given[start + 3..].rsplit_once('@') {
            Some((secret, _)) if !secret.is_empty() => message.replace(secret, "…"),
            _ => message,
        }
    })
}
