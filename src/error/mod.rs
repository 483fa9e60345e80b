//! The errors, and the conclusions that a caller may draw from them.

mod attempt;
mod cause;
pub(crate) mod code;
mod display;
#[cfg(feature = "keyword")]
mod keyword;
mod load_error;
pub(crate) mod obstacle;
#[cfg(test)]
mod tests;

pub use self::attempt::Attempt;
pub(crate) use self::cause::{Reason, reason};
#[cfg(feature = "keyword")]
pub use self::keyword::KeywordError;
pub use self::load_error::LoadError;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{CodecError, Undecodable};

/// Either a success or an [`Error`], or another error, so that importing it hides no form of the
/// standard library's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors between a typed value and the server.
///
/// Errors of a command carry it, and its key if it has one ([`attempt`](Self::attempt)).
/// [`applied`](Self::applied) returns whether the command took effect. Neither `Display` nor
/// `Debug` shows a password or a stored value.
///
/// `Display` says in one line what failed and why. [`source`](std::error::Error::source) returns
/// the first cause that this line does not repeat, so that a reporter that prints all sources
/// prints nothing twice: the `io::Error` of a connection, or the error behind that of a codec or a
/// loader, whose own error is in the field of the variant.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A URL or a setting cannot be used, or a precondition is not met: a server is of another kind
    /// than the client expects, no thread can be started, or the async runtime of a subscription
    /// has ended. Nothing was applied.
    Configuration(String),
    /// No connection could be made: the server is down, or refuses the name or password.
    /// Nothing was sent.
    #[non_exhaustive]
    Connect {
        /// The server's address, without user and password.
        address: String,
        /// The underlying error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection became free in time: all connections of the pool, or the shared ones, were in
    /// use. Nothing was sent. Use more connections or fewer threads.
    #[non_exhaustive]
    PoolExhausted {
        /// The server's address, without user and password.
        address: String,
        /// How long the call waited for a free one.
        waited: Duration,
    },
    /// The connection broke before the reply was read. A write may have been applied.
    #[non_exhaustive]
    ConnectionLost {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The error of the connection.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not answer in time. A write may have been applied, now or later.
    #[non_exhaustive]
    Timeout {
        /// The attempted command.
        attempt: Box<Attempt>,
    },
    /// The server refused the command: `WRONGTYPE`, `OOM`, `NOPERM`, `READONLY` and the like.
    #[non_exhaustive]
    Server {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The first word of the server's error reply.
        code: String,
        /// The rest of the server's error reply.
        message: String,
    },
    /// The server does not know the command. Nothing was applied, unless it is `MULTI`: then the
    /// commands of the transaction may have run one by one.
    #[non_exhaustive]
    Unsupported {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The first servers that support it.
        needs: &'static str,
    },
    /// A key or value could not be encoded. Nothing was sent, except for earlier pages of a call
    /// that goes page by page, which [`applied`](Self::applied) reports.
    #[non_exhaustive]
    Encode {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The error of the codec.
        source: CodecError,
    },
    /// Stored bytes are not a value of the codec. They stay where they are, unless the command
    /// removes them; [`undecoded`](Self::undecoded) returns them in any case.
    #[non_exhaustive]
    Decode {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The bytes, and why they are not a value.
        source: Undecodable,
    },
    /// The server's reply has a shape that the command does not have.
    #[non_exhaustive]
    UnexpectedReply {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The expected reply of the command.
        expected: &'static str,
        /// The kind of the actual reply.
        found: &'static str,
    },
    /// An argument cannot be used. Nothing was sent, except for earlier pages of a call that goes
    /// page by page, which [`applied`](Self::applied) reports. A command has at most 1,000,000
    /// arguments.
    #[non_exhaustive]
    InvalidArgument {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// Why it cannot be used.
        reason: Cow<'static, str>,
    },
    /// A near cache may have missed changes, and is configured not to ask the server instead.
    #[non_exhaustive]
    Disconnected {
        /// The attempted command.
        attempt: Box<Attempt>,
    },
    /// The loader of a read-through cache returned an error or panicked. Nothing was stored. It is
    /// not [transient](Self::is_transient), whatever the loader's own error is.
    #[non_exhaustive]
    Load {
        /// The value that was to be loaded.
        attempt: Box<Attempt>,
        /// The loader's own error.
        source: LoadError,
    },
    /// A consumer lost its lease: the server had not received its heartbeat for as long as the
    /// lease and gave its jobs to others, or the server has come back without its last writes. The
    /// jobs were not settled.
    #[non_exhaustive]
    LeaseLost {
        /// The attempted command.
        attempt: Box<Attempt>,
    },
    /// An operation on a keyword or its dispatcher failed.
    #[cfg(feature = "keyword")]
    #[non_exhaustive]
    Keyword {
        /// The attempted operation.
        attempt: Box<Attempt>,
        /// The reason.
        source: KeywordError,
    },
    /// Other writers changed the value during every try of an optimistic update. Nothing was
    /// applied.
    #[non_exhaustive]
    Contended {
        /// The attempted command.
        attempt: Box<Attempt>,
        /// The number of tries.
        tries: usize,
    },
}

/// Whether an attempt took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applied {
    /// It did not, and will not.
    No,
    /// Unknown: the command was sent and no reply came, or one of an unexpected shape, or a script
    /// failed half-way.
    Perhaps,
    /// At least a part of it did: the value in the reply could not be decoded, or a call that goes
    /// page by page, such as `extend` and `clear`, failed in a later page.
    Yes,
}

impl Error {
    /// Returns whether the attempt took effect. For a command that only reads: [`Applied::No`].
    pub fn applied(&self) -> Applied {
        let Some(attempt) = self.attempt() else { return Applied::No };
        match self {
            _ if attempt.in_part => Applied::Yes,
            _ if !attempt.writes => Applied::No,
            Error::ConnectionLost { .. } | Error::Timeout { .. } => Applied::Perhaps,
            // The server has not said so.
            Error::UnexpectedReply { .. } => Applied::Perhaps,
            #[cfg(feature = "keyword")]
            Error::Keyword { source: KeywordError::Abandoned, .. } => Applied::Perhaps,
            _ if attempt.halfway => Applied::Perhaps,
            Error::Decode { .. } => Applied::Yes,
            _ => Applied::No,
        }
    }

    /// Returns whether repeating the call could do its work twice.
    pub fn may_have_been_applied(&self) -> bool {
        self.applied() != Applied::No
    }

    /// Returns whether time ran out: the server did not answer, perhaps while a connection to it
    /// was made, or no connection became free.
    pub fn is_timeout(&self) -> bool {
        match self {
            Error::Timeout { .. } | Error::PoolExhausted { .. } => true,
            Error::Connect { source, .. } => is_timeout(&**source),
            _ => false,
        }
    }

    /// Returns whether there was no connection, or it broke.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Error::ConnectionLost { .. } | Error::Connect { .. })
    }

    /// The first word of the server's error reply, if the server refused: `WRONGTYPE`, `NOPERM` …
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Server { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The attempted command, if there was one.
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
            | Error::Disconnected { attempt }
            | Error::Load { attempt, .. }
            | Error::LeaseLost { attempt }
            | Error::Contended { attempt, .. } => Some(attempt),
            #[cfg(feature = "keyword")]
            Error::Keyword { attempt, .. } => Some(attempt),
        }
    }

    /// The stored bytes that could not be decoded. After a command that removes them, such as a
    /// pop, they exist only here.
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

    /// The reason why an operation on a keyword failed, if it is one of keywords.
    #[cfg(feature = "keyword")]
    pub fn keyword_error(&self) -> Option<&KeywordError> {
        match self {
            Error::Keyword { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The same error, for `attempt` as a whole, of which the failed command was a part.
    pub(crate) fn about(mut self, attempt: Attempt) -> Self {
        if let Error::ConnectionLost { attempt: old, .. } | Error::Timeout { attempt: old } =
            &mut self
        {
            **old = attempt;
        }
        self
    }

    /// The same error, named after the call whose part failed.
    #[cfg(feature = "keyword")]
    pub(crate) fn called(mut self, command: &'static str, key: Vec<u8>) -> Self {
        if let Error::ConnectionLost { attempt, .. }
        | Error::Timeout { attempt }
        | Error::Server { attempt, .. }
        | Error::Keyword { attempt, .. } = &mut self
        {
            (attempt.command, attempt.key, attempt.field) = (command, Some(key), None);
        }
        self
    }

    /// The same error, for `attempt` as a whole, other parts of which took effect.
    pub(crate) fn part_of(self, attempt: Attempt) -> Self {
        let attempt = Box::new(attempt);
        let error = match self {
            Error::Connect { .. } => Error::ConnectionLost { attempt, source: Box::new(self) },
            Error::PoolExhausted { .. } => Error::Timeout { attempt },
            error => error,
        };
        error.in_part()
    }

    /// The same error, for `attempt` as a whole, earlier steps of which took effect if it
    /// `has_begun`.
    pub(crate) fn after_steps(self, has_begun: bool, attempt: impl FnOnce() -> Attempt) -> Self {
        if has_begun { self.part_of(attempt()) } else { self }
    }

    /// Marks that other commands sent together with the failed one took effect.
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

/// Returns whether the source of an error reports a timeout.
fn is_timeout(source: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(shared) = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        return is_timeout(&**shared);
    }
    let of_driver = source.downcast_ref().is_some_and(redis::RedisError::is_timeout);
    of_driver || source.downcast_ref().is_some_and(Error::is_timeout)
}
