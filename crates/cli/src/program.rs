//! The start and end of a program.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::failure::Failure;
use crate::secrets::without_secrets;

/// Parses the arguments, runs `act`, reports its failure, and returns the exit code.
///
/// A debug build, which the tests run, panics if the definition of the arguments is inconsistent.
pub fn run<A: Parser>(act: impl FnOnce(&A) -> Result<(), Failure>) -> ExitCode {
    if cfg!(debug_assertions) {
        A::command().debug_assert();
    }
    let outcome = match A::try_parse() {
        Ok(arguments) => act(&arguments),
        Err(error) if is_help(&error) => return print_help(&error),
        Err(error) => Err(Failure::usage(error.to_string())),
    };
    match outcome.and_then(|()| Ok(io::stdout().flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Reported { code, messages }) => {
            for message in messages {
                complain::<A>(&message);
            }
            code.into()
        }
    }
}

/// Prints an object on a line of its own.
pub fn print_object(object: &serde_json::Value) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{object}")?)
}

/// Prints an error to standard error, in one line. If standard error is closed, the exit code
/// remains.
pub fn complain<A: Parser>(message: &str) {
    let command = A::command();
    let _ = writeln!(io::stderr(), "{}: {}", command.get_name(), without_secrets(message));
}

fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn print_help(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Failure::USAGE.into() } else { ExitCode::SUCCESS }
}
