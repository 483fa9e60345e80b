//! Failures of a program, with their messages and exit codes.

use std::io;

use redis_collections::{Applied, Error};

use crate::secrets::without_secrets;

/// The reason why a program ends before its task is complete.
pub enum Failure {
    /// Standard output is closed by its reader.
    ClosedPipe,
    Reported {
        code: u8,
        /// One line each.
        messages: Vec<String>,
    },
}

impl Failure {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;

    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self::Reported { code, messages: vec![message.into()] }
    }

    /// Creates a failure for wrong usage, from a message of the argument parser.
    pub fn usage(message: String) -> Self {
        Self::new(Self::USAGE, in_one_line(message.trim_start_matches("error: ")))
    }

    /// Adds what helps to its last message.
    pub fn with_hint(mut self, hint: &str) -> Self {
        if let Self::Reported { messages, .. } = &mut self
            && let Some(last) = messages.last_mut()
        {
            *last = format!("{last}; {hint}");
        }
        self
    }

    /// Returns its messages, of which a closed pipe has none.
    pub fn into_messages(self) -> Vec<String> {
        match self {
            Self::ClosedPipe => Vec::new(),
            Self::Reported { messages, .. } => messages,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = if is_wrong_usage(&error) { Self::USAGE } else { Self::FAILED };
        let message = match error.applied() {
            Applied::Perhaps => format!("{error}; it may have been applied anyway"),
            _ => in_words_of_programs(&error),
        };
        Self::new(code, in_one_line(&message))
    }
}

/// Formats an error for a user who knows neither the functions of the library nor its commands.
fn in_words_of_programs(error: &Error) -> String {
    let message = error.to_string();
    match error {
        Error::Configuration(_) => message.replace(OPEN_INSTEAD, "leave out --cluster"),
        _ => match error.attempt() {
            Some(attempt) => match message.strip_prefix(&attempt.to_string()) {
                Some(rest) => format!("{}{rest}", attempted(error)),
                None => message,
            },
            None => message,
        },
    }
}

/// Returns what the message of an error begins with: its command and key, but no command that was
/// never sent.
pub fn attempted(error: &Error) -> String {
    let Some(attempt) = error.attempt() else { return String::new() };
    let shown = attempt.to_string();
    match error {
        Error::InvalidArgument { .. } => {
            let key = shown.strip_prefix(attempt.command()).map(str::trim_start);
            key.filter(|key| !key.is_empty()).map_or(shown.clone(), str::to_owned)
        }
        _ => shown,
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::new(Self::FAILED, error.to_string()),
        }
    }
}

/// Returns whether the arguments, the URL or the kind of server cannot be used.
fn is_wrong_usage(error: &Error) -> bool {
    matches!(error, Error::Configuration(_) | Error::InvalidArgument { .. })
}

/// Joins the lines of a message. Removes secrets first, since one that contains spaces would no
/// longer be found afterwards.
fn in_one_line(message: &str) -> String {
    let message = without_secrets(message);
    let paragraphs = message.trim_end().split("\n\n");
    let lines = paragraphs.map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("; ")
}

/// What the library says of a server that is no node of a cluster.
const OPEN_INSTEAD: &str = "`open` connects to a server alone";
