//! Why the program ends without having done what it was told.

use std::io;
use std::process::ExitCode;

use redis_collections::{Applied, Error};

pub(crate) enum Failure {
    Usage(String),
    Queue(Error),
    /// After so many jobs had been pushed.
    Pushing(usize, Error),
    Io(io::Error),
    /// A queue was not drained in time.
    Late(String),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => USAGE,
            Self::Queue(error) | Self::Pushing(_, error) if is_wrong_usage(error) => USAGE,
            Self::Late(_) => LATE,
            Self::Queue(_) | Self::Pushing(..) | Self::Io(_) => FAILED,
        }
        .into()
    }

    pub(crate) fn in_one_line(&self) -> String {
        let message = match self {
            Self::Usage(message) => message.trim_start_matches("error: ").to_owned(),
            Self::Queue(error) => about(error),
            Self::Pushing(0, error) => about(error),
            Self::Pushing(pushed, error) => {
                format!("{}; pushed before: {pushed}", about(error))
            }
            Self::Io(error) => error.to_string(),
            Self::Late(message) => message.clone(),
        };
        let paragraphs = message.trim_end().split("\n\n");
        let lines = paragraphs.map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join("; ")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Queue(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn about(error: &Error) -> String {
    match error.applied() {
        Applied::Perhaps => format!("{error}; it may have been done all the same"),
        _ => error.to_string(),
    }
}

/// What could not have been sent to any server.
fn is_wrong_usage(error: &Error) -> bool {
    matches!(error, Error::Configuration(_) | Error::InvalidArgument { .. })
}

pub(crate) const USAGE: u8 = 2;
const FAILED: u8 = 1;
const LATE: u8 = 3;
