//! The obstacle to a connection, as far as an error and its sources show.

use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};

use super::Error;
use super::code::{is_transient, refuses_connections};

/// How lasting the obstacle to a connection is, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The server is down, silent or full, or a resolver does not answer.
    Passing,
    /// Resolvers report that the name does not exist. A call fails immediately, but while a
    /// blocking call waits, a name may come back.
    UnknownName,
    /// Client and server do not accept each other: password, rights, certificates, the database.
    Refusal,
}

/// Returns the most lasting obstacle among an error and its sources.
pub(crate) fn obstacle(error: &(dyn std::error::Error + 'static)) -> Obstacle {
    let inner: Option<&(dyn std::error::Error + 'static)> =
        if let Some(shared) = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
            Some(&**shared)
        } else if let Some(shared) = error.downcast_ref::<Arc<io::Error>>() {
            Some(&**shared)
        } else if let Some(Error::Connect { source, .. } | Error::ConnectionLost { source, .. }) =
            error.downcast_ref()
        {
            // Not all causes are among the sources.
            Some(&**source)
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|inner| inner as _)
        } else {
            None
        };
    let inner = inner.or_else(|| error.source()).map_or(Obstacle::Passing, obstacle);
    own_obstacle(error).max(inner)
}

impl Error {
    /// Returns whether the same call may succeed later without any change: the server could not be
    /// reached, did not answer in time, or refused for the moment (`LOADING`, `READONLY`, `BUSY`,
    /// `OOM` and the like), or a near cache is disconnected. A wrong password, a database that the
    /// server does not have, and a refused certificate are not transient, nor is any error of a
    /// cache's loader: only the program knows what its source is, so ask an error of this crate
    /// within ([`load_error`](Self::load_error)). [`applied`](Self::applied) returns whether
    /// repeating it is safe.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { source, .. } => obstacle(&**source) < Obstacle::Refusal,
            Error::PoolExhausted { .. }
            | Error::ConnectionLost { .. }
            | Error::Timeout { .. }
            | Error::Disconnected { .. } => true,
            Error::Server { code, .. } => is_transient(code),
            _ => false,
        }
    }
}

/// The obstacle that `error` itself reports, without its sources.
fn own_obstacle(error: &(dyn std::error::Error + 'static)) -> Obstacle {
    #[cfg(feature = "tls")]
    if error.is::<rustls::Error>() {
        return Obstacle::Refusal;
    }
    if let Some(error) = error.downcast_ref::<RedisError>() {
        let is_refused = matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::InvalidClientConfig
                | ErrorKind::RESP3NotSupported
        ) || error.code().is_some_and(refuses_connections);
        return if is_refused { Obstacle::Refusal } else { Obstacle::Passing };
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        let is_refused = error.code().is_some_and(refuses_connections);
        return if is_refused { Obstacle::Refusal } else { Obstacle::Passing };
    }
    match error.downcast_ref::<io::Error>() {
        Some(error) if is_unknown_name(error) => Obstacle::UnknownName,
        Some(error) if error.kind() == io::ErrorKind::Unsupported => Obstacle::Refusal,
        _ => Obstacle::Passing,
    }
}

/// Returns whether resolvers know that a name does not exist. The standard library gives their code
/// as text only; a resolver that did not answer says "temporary" or "again".
fn is_unknown_name(error: &io::Error) -> bool {
    let text = error.to_string();
    let is_temporary = ["emporary", "again"].iter().any(|word| text.contains(word));
    text.starts_with(LOOKUP) && !is_temporary
}

pub(crate) const LOOKUP: &str = "failed to lookup address information";
