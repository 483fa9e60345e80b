use std::error::Error as StdError;
use std::fmt;

use super::cause::{Reason, beneath, cause};
use super::{Attempt, Error};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Configuration(problem) => write!(f, "invalid configuration: {problem}"),
            Error::Connect { address, source } => {
                write!(f, "cannot connect to {address}: {}", Reason(&**source))
            }
            Error::PoolExhausted { address, waited } => {
                write!(f, "all connections to {address} were in use for {waited:?}")
            }
            Error::ConnectionLost { attempt, source } => {
                write!(f, "{attempt}: the connection was lost: {}", Reason(&**source))
            }
            Error::Timeout { attempt } => write!(f, "{attempt}: {}", lateness(attempt)),
            Error::Server { attempt, code, message } => {
                write!(f, "{attempt}: the server says {code} {message}")
            }
            Error::Unsupported { attempt, needs } => {
                write!(f, "{attempt}: the server does not have this command, which needs {needs}")
            }
            Error::Encode { attempt, source } => {
                write!(f, "{attempt}: cannot encode an argument: {source}")
            }
            Error::Decode { attempt, source } => write!(f, "{attempt}: {source}"),
            Error::UnexpectedReply { attempt, expected, found } => {
                write!(f, "{attempt}: expected {expected}, the server answered {found}")
            }
            Error::InvalidArgument { attempt, reason } => write!(f, "{attempt}: {reason}"),
            Error::Disconnected { attempt } => {
                write!(f, "{attempt}: the near cache is disconnected from the server's changes")
            }
            Error::Load { attempt, source } if source.is_panic() => {
                write!(f, "{attempt}: the loader panicked")
            }
            Error::Load { attempt, source } => write!(f, "{attempt}: the loader failed: {source}"),
            Error::LeaseLost { attempt } => {
                write!(f, "{attempt}: the lease was lost, and the job was not settled")
            }
            #[cfg(feature = "keyword")]
            Error::Keyword { attempt, source } => write!(f, "{attempt}: {source}"),
            Error::Contended { attempt, tries } => {
                write!(f, "{attempt}: other writers changed the value first, {tries} times")
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Connect { source, .. } | Error::ConnectionLost { source, .. } => {
                cause(&**source)
            }
            Error::Encode { source, .. } => beneath(source),
            Error::Decode { source, .. } => beneath(source),
            Error::Load { source, .. } if source.is_panic() => Some(source),
            Error::Load { source, .. } => beneath(source),
            _ => None,
        }
    }
}

/// The message for an answer that did not arrive in time.
fn lateness(attempt: &Attempt) -> &'static str {
    match attempt.command {
        "wait_for" => "the condition was not met in time",
        _ => "no answer in time",
    }
}
