//! What can go wrong, and what a caller may conclude from it.

mod attempt;
pub(crate) mod code;
pub(crate) mod obstacle;

pub use attempt::Attempt;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{CodecError, Undecodable};
use crate::load_error::LoadError;

/// Either a success or an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong between a typed value and the server.
///
/// Every error says what was attempted on which key, and [`applied`](Self::applied) says whether
/// it took effect. Neither `Display` nor `Debug` shows a password or a stored value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A URL or a setting cannot be used. Nothing was sent.
    #[error("cannot use this configuration: {0}")]
    Configuration(String),
    /// No connection could be made: the server is down, or refuses the name or password.
    /// Nothing was sent.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to, without user and password.
        address: String,
        /// What stood in the way.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Every connection of the pool was in use all the time. Nothing was sent; use a larger pool
    /// or fewer threads.
    #[error("all connections to {address} were in use for {waited:?}")]
    PoolExhausted {
        /// Where the connections lead, without user and password.
        address: String,
        /// How long a free one was waited for.
        waited: Duration,
    },
    /// The connection broke before the reply was read. A write may have been applied.
    #[error("{attempt}: the connection was lost: {source}")]
    ConnectionLost {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// How the connection broke.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not answer in time. A write may have been applied, now or later.
    #[error("{attempt}: {}", lateness(attempt))]
    Timeout {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// The server refused the command: `WRONGTYPE`, `OOM`, `NOPERM`, `READONLY` and the like.
    #[error("{attempt}: the server says {code} {message}")]
    Server {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// The first word of the server's answer.
        code: String,
        /// The rest of the server's answer.
        message: String,
    },
    /// The server does not know the command. Nothing was applied.
    #[error("{attempt}: the server lacks this command, it needs {needs}")]
    Unsupported {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// The first servers that have it.
        needs: &'static str,
    },
    /// A key or value could not be written as bytes. Nothing was sent, except earlier pages of what goes
    /// page by page ([`applied`](Self::applied) says so).
    #[error("{attempt}: cannot encode an argument: {source}")]
    Encode {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Why not.
        source: CodecError,
    },
    /// Stored bytes are not a value of the codec. They stay where they are, unless the command
    /// takes what it reads; [`undecoded`](Self::undecoded) has them in any case.
    #[error("{attempt}: {source}")]
    Decode {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// The bytes, and why they are no value.
        source: Undecodable,
    },
    /// The server's answer has a shape that the command does not have.
    #[error("{attempt}: expected {expected}, the server answered {found}")]
    UnexpectedReply {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// What the command should answer.
        expected: &'static str,
        /// The kind of answer that came.
        found: &'static str,
    },
    /// An argument cannot be used. Nothing was sent, except earlier pages of what goes page by page
    /// ([`applied`](Self::applied) says so). A command has at most 1,000,000 arguments.
    #[error("{attempt}: {reason}")]
    InvalidArgument {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Why not.
        reason: Cow<'static, str>,
    },
    /// A near cache may have missed changes, and was told not to ask the server instead.
    #[error("{attempt}: the cache is cut off from the server's changes")]
    CutOff {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// The loader of a read-through cache gave no value. Nothing was stored.
    #[error("{attempt}: the loader failed: {source}")]
    Load {
        /// Which value was to be loaded.
        attempt: Box<Attempt>,
        /// The loader's own error.
        source: LoadError,
    },
    /// The server had not heard of a consumer for as long as a lease, and gave its jobs to others, or
    /// has come back without its last writes. What was to be settled was not.
    #[error("{attempt}: the lease was lost, and others have got the job")]
    LeaseLost {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// The dispatcher of a keyword service refused a value, or a keyword has none to read. Nothing was applied.
    #[error("{attempt}: refused: {reason}")]
    Refused {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// Why.
        reason: String,
    },
    /// The dispatcher of a keyword service ended while a function of its program was writing the value. What that
    /// has done stays, and it may still go on.
    #[error("{attempt}: the dispatcher ended before it was done")]
    Abandoned {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// Nobody has such a keyword.
    #[error("{attempt}: there is no such keyword")]
    UnknownKeyword {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// No dispatcher serves the keyword. Nothing was applied.
    #[error("{attempt}: no dispatcher serves it")]
    NotServed {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// Another dispatcher serves the service, and lives. Nothing was applied.
    #[error("{attempt}: another dispatcher serves it")]
    AlreadyServed {
        /// What was attempted.
        attempt: Box<Attempt>,
    },
    /// Other writers changed the value during every try of an optimistic update. Nothing was
    /// applied.
    #[error("{attempt}: other writers were faster {tries} times")]
    Contended {
        /// What was attempted.
        attempt: Box<Attempt>,
        /// How often it was tried.
        tries: usize,
    },
}

/// Whether what was attempted took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It did not, and will not.
    No,
    /// It cannot be known: the command was sent and no answer came, or a script failed half-way.
    Perhaps,
    /// At least a part of it did: the answer could not be used, or what goes page by page, such as
    /// `extend` and `clear`, failed in a later page.
    Yes,
}

impl Error {
    /// Whether what was attempted took effect. For a command that only reads: [`Applied::No`].
    pub fn applied(&self) -> Applied {
        let Some(attempt) = self.attempt() else { return Applied::No };
        match self {
            _ if attempt.in_part => Applied::Yes,
            _ if !attempt.writes => Applied::No,
            Error::ConnectionLost { .. } | Error::Timeout { .. } | Error::Abandoned { .. } => {
                Applied::Perhaps
            }
            _ if attempt.halfway => Applied::Perhaps,
            Error::Decode { .. } | Error::UnexpectedReply { .. } => Applied::Yes,
            _ => Applied::No,
        }
    }

    /// Whether repeating the call could do its work twice.
    pub fn may_have_been_applied(&self) -> bool {
        self.applied() != Applied::No
    }

    /// Whether time ran out: the server did not answer, which may have been while a connection to it
    /// was made, or no connection became free.
    pub fn is_timeout(&self) -> bool {
        match self {
            Error::Timeout { .. } | Error::PoolExhausted { .. } => true,
            Error::Connect { source, .. } => is_timeout(&**source),
            _ => false,
        }
    }

    /// Whether there was no connection, or it broke.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Error::ConnectionLost { .. } | Error::Connect { .. })
    }

    /// The first word of the server's answer, if the server refused: `WRONGTYPE`, `NOPERM` …
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Server { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What was attempted, if a command was.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Error::Configuration(_) | Error::Connect { .. } | Error::PoolExhausted { .. } => None,
            Error::ConnectionLost { attempt, .. }
            | Error::Timeout { attempt }
            | Error::Server { attempt, .. }
            | Error::Unsupported { attempt, .. }
            | Error::Encode { attempt, .. }
            | Error::Decode { attempt, .. }
            | Error::UnexpectedReply { attempt, .. }
            | Error::InvalidArgument { attempt, .. }
            | Error::CutOff { attempt }
            | Error::Load { attempt, .. }
            | Error::LeaseLost { attempt }
            | Error::Refused { attempt, .. }
            | Error::Abandoned { attempt }
            | Error::UnknownKeyword { attempt }
            | Error::NotServed { attempt }
            | Error::AlreadyServed { attempt }
            | Error::Contended { attempt, .. } => Some(attempt),
        }
    }

    /// The stored bytes that could not be decoded. After a command that takes what it reads, such
    /// as a pop, they exist only here.
    pub fn undecoded(&self) -> Option<&[u8]> {
        match self {
            Error::Decode { source, .. } => Some(source.bytes()),
            _ => None,
        }
    }

    /// The error of a cache's loader, if it is an `X`.
    pub fn load_error<X: std::error::Error + 'static>(&self) -> Option<&X> {
        match self {
            Error::Load { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }

    /// The same error of `attempt`, of which what failed was a part.
    pub(crate) fn about(mut self, attempt: Attempt) -> Self {
        if let Error::ConnectionLost { attempt: old, .. } | Error::Timeout { attempt: old } =
            &mut self
        {
            **old = attempt;
        }
        self
    }

    /// The same error under the name of the call of which what failed was a part.
    #[cfg(feature = "keyword")]
    pub(crate) fn called(mut self, command: &'static str, key: Vec<u8>) -> Self {
        if let Error::ConnectionLost { attempt, .. }
        | Error::Timeout { attempt }
        | Error::Server { attempt, .. }
        | Error::Refused { attempt, .. }
        | Error::NotServed { attempt }
        | Error::AlreadyServed { attempt } = &mut self
        {
            (attempt.command, attempt.key, attempt.field) = (command, Some(key), None);
        }
        self
    }

    /// The same error of a part of `attempt`, other parts of which took effect.
    pub(crate) fn part_of(self, attempt: Attempt) -> Self {
        let attempt = Box::new(attempt);
        let error = match self {
            Error::Connect { .. } => Error::ConnectionLost { attempt, source: Box::new(self) },
            Error::PoolExhausted { .. } => Error::Timeout { attempt },
            error => error,
        };
        error.in_part()
    }

    /// The same error of a step of `attempt`, before which others took effect if it `has_begun`.
    pub(crate) fn after_steps(self, has_begun: bool, attempt: impl FnOnce() -> Attempt) -> Self {
        if has_begun { self.part_of(attempt()) } else { self }
    }

    /// Marks that other commands sent together with the one that failed took effect.
    pub(crate) fn in_part(mut self) -> Self {
        if let Error::ConnectionLost { attempt, .. }
        | Error::Timeout { attempt }
        | Error::Server { attempt, .. }
        | Error::Unsupported { attempt, .. }
        | Error::Encode { attempt, .. }
        | Error::Decode { attempt, .. }
        | Error::UnexpectedReply { attempt, .. }
        | Error::InvalidArgument { attempt, .. } = &mut self
        {
            attempt.in_part = true;
        }
        self
    }
}

/// What did not come in time.
fn lateness(attempt: &Attempt) -> &'static str {
    match attempt.command {
        "wait_for" => "the condition was not met in time",
        _ => "no answer in time",
    }
}

/// Whether the source of an error says that time ran out.
fn is_timeout(source: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(shared) = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        return is_timeout(&**shared);
    }
    let of_driver = source.downcast_ref().is_some_and(redis::RedisError::is_timeout);
    of_driver || source.downcast_ref().is_some_and(Error::is_timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(command: &'static str, writes: bool) -> Box<Attempt> {
        let key = Some(b"a key\n".to_vec());
        Box::new(Attempt { command, key, field: None, writes, in_part: false, halfway: false })
    }

    fn lost(writes: bool) -> Error {
        Error::ConnectionLost { attempt: attempt("X", writes), source: "reset".into() }
    }

    fn refused() -> Error {
        let (code, message) = ("OOM".into(), "no memory".into());
        Error::Server { attempt: attempt("SET", true), code, message }
    }

    #[test]
    fn an_error_tells_whether_the_command_was_applied() {
        for (error, applied) in [
            (lost(false), Applied::No),
            (lost(true), Applied::Perhaps),
            (Error::Timeout { attempt: attempt("SET", true) }, Applied::Perhaps),
            (Error::Timeout { attempt: attempt("GET", false) }, Applied::No),
            (refused(), Applied::No),
            (refused().in_part(), Applied::Yes),
            (Error::Configuration("x".into()), Applied::No),
        ] {
            assert_eq!(error.applied(), applied, "{error}");
        }
    }

    #[test]
    fn an_error_names_the_command_and_the_key_escaped() {
        assert_eq!(refused().to_string(), r#"SET "a key\n": the server says OOM no memory"#);
    }

    #[test]
    fn errors_can_be_sent_between_threads() {
        fn is_send_and_sync<T: Send + Sync + 'static>() {}
        is_send_and_sync::<Error>();
    }
}
