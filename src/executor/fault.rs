//! How a round trip fails, before it is known whose error it becomes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError};

use crate::error::code::refuses_connections;
use crate::error::{Attempt, Error};

/// What a round trip came to.
pub(crate) type Outcome<T> = std::result::Result<T, Fault>;

/// Why there is no reply. The commands of one round trip share it.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// There is no connection. Nothing was sent.
    Connect { address: String, source: Arc<dyn std::error::Error + Send + Sync> },
    /// All connections were in use. Nothing was sent.
    Exhausted { address: String, waited: Duration },
    /// The connection broke or was silent.
    Broken(RedisError),
}

/// How lasting the reason is for which there is no connection, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The server is down, silent or full, or a resolver does not answer.
    Passing,
    /// Resolvers say that the name does not exist. A call fails at once; a name may come back while
    /// a call waits.
    UnknownName,
    /// Client and server do not accept each other: password, rights, certificates.
    Refusal,
}

impl Fault {
    /// How lasting the reason for a missing connection is. Passing if there is another fault.
    pub(crate) fn obstacle(&self) -> Obstacle {
        match self {
            Fault::Connect { source, .. } => obstacle(source),
            Fault::Exhausted { .. } | Fault::Broken(_) => Obstacle::Passing,
        }
    }

    pub(crate) fn connect(
        address: impl ToString,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Fault::Connect { address: address.to_string(), source: Arc::new(source) }
    }

    /// The error of `attempt`, which failed by this.
    pub(crate) fn into_error(self, attempt: impl FnOnce() -> Attempt) -> Error {
        match self {
            Fault::Connect { address, source } => {
                Error::Connect { address, source: Box::new(source) }
            }
            Fault::Exhausted { address, waited } => Error::PoolExhausted { address, waited },
            Fault::Broken(error) if error.is_timeout() => {
                Error::Timeout { attempt: Box::new(attempt()) }
            }
            Fault::Broken(error) => {
                Error::ConnectionLost { attempt: Box::new(attempt()), source: Box::new(error) }
            }
        }
    }
}

/// The most lasting obstacle among an error and its sources.
pub(super) fn obstacle(error: &(dyn std::error::Error + 'static)) -> Obstacle {
    let inner: Option<&(dyn std::error::Error + 'static)> =
        if let Some(shared) = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
            Some(&**shared)
        } else if let Some(shared) = error.downcast_ref::<Arc<io::Error>>() {
            Some(&**shared)
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|inner| inner as _)
        } else {
            None
        };
    let inner = inner.or_else(|| error.source()).map_or(Obstacle::Passing, obstacle);
    own_obstacle(error).max(inner)
}

fn own_obstacle(error: &(dyn std::error::Error + 'static)) -> Obstacle {
    #[cfg(feature = "tls")]
    if error.is::<rustls::Error>() {
        return Obstacle::Refusal;
    }
    if let Some(error) = error.downcast_ref::<RedisError>() {
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed
            || error.code().is_some_and(refuses_connections);
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

/// Whether resolvers know that a name does not exist. The standard library gives their code as text
/// only; a resolver that did not answer says "temporary" or "again".
fn is_unknown_name(error: &io::Error) -> bool {
    let text = error.to_string();
    let is_temporary = ["emporary", "again"].iter().any(|word| text.contains(word));
    text.starts_with(LOOKUP) && !is_temporary
}

const LOOKUP: &str = "failed to lookup address information";

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(text: &str) -> RedisError {
        match redis::parse_redis_value(text.as_bytes()) {
            Ok(redis::Value::ServerError(error)) => error.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_lasts_is_told_from_what_passes_however_deep_it_lies() {
        let io = |text: &str| io::Error::other(text.to_owned());
        let authentication = (ErrorKind::AuthenticationFailed, "Password authentication failed");
        let cases: Vec<(Fault, Obstacle)> = vec![
            (Fault::connect("x", RedisError::from(authentication)), Obstacle::Refusal),
            (Fault::connect("x", server_error("-WRONGPASS invalid\r\n")), Obstacle::Refusal),
            (Fault::connect("x", server_error("-NOAUTH first\r\n")), Obstacle::Refusal),
            (Fault::connect("x", server_error("-NOPERM no\r\n")), Obstacle::Refusal),
            (Fault::connect("x", server_error("-DENIED protected mode\r\n")), Obstacle::Refusal),
            (Fault::connect("x", server_error("-LOADING data\r\n")), Obstacle::Passing),
            (
                Fault::connect("x", server_error("-ERR max number of clients reached\r\n")),
                Obstacle::Passing,
            ),
            (
                Fault::connect("x", io(&format!("{LOOKUP}: Name or service not known"))),
                Obstacle::UnknownName,
            ),
            (
                Fault::connect("x", io(&format!("{LOOKUP}: Name does not resolve"))),
                Obstacle::UnknownName,
            ),
            (
                Fault::connect("x", io(&format!("{LOOKUP}: Temporary failure in name resolution"))),
                Obstacle::Passing,
            ),
            (Fault::connect("x", io(&format!("{LOOKUP}: Try again"))), Obstacle::Passing),
            (
                Fault::connect("x", io::Error::from(io::ErrorKind::ConnectionRefused)),
                Obstacle::Passing,
            ),
            (Fault::connect("x", io::Error::from(io::ErrorKind::TimedOut)), Obstacle::Passing),
            (Fault::Broken(server_error("-NOAUTH first\r\n")), Obstacle::Passing),
        ];
        for (fault, expected) in cases {
            assert_eq!(fault.obstacle(), expected, "{fault:?}");
            let attempt = || crate::request::Request::read("PING").attempt();
            let within = Fault::connect("z", fault.clone().into_error(attempt));
            if matches!(fault, Fault::Connect { .. }) {
                assert_eq!(within.obstacle(), expected, "within another: {within:?}");
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_that_is_refused_lasts() {
        let refused = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let by_io = io::Error::new(io::ErrorKind::InvalidData, refused());
        assert_eq!(Fault::connect("x", RedisError::from(by_io)).obstacle(), Obstacle::Refusal);
        assert_eq!(Fault::connect("x", RedisError::from(refused())).obstacle(), Obstacle::Refusal);
    }
}
