//! The failures of a round trip, before they become the error of an attempt.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

use crate::error::obstacle::{Obstacle, obstacle};
use crate::error::{Attempt, Error, Reason};

/// The result of a round trip.
pub(crate) type TransportResult<T> = std::result::Result<T, TransportError>;

/// The reason why there is no reply. The commands of one round trip share it.
#[derive(Debug, Clone)]
pub(crate) enum TransportError {
    /// There is no connection. Nothing was sent.
    Connect { address: String, source: Arc<dyn std::error::Error + Send + Sync> },
    /// All connections were in use. Nothing was sent.
    Exhausted { address: String, waited: Duration },
    /// The connection broke or was silent.
    Broken(RedisError),
    /// The connection of a wait broke within the reply.
    CutOff(RedisError),
}

impl TransportError {
    /// How lasting the obstacle to a connection is. Passing for any other error.
    pub(crate) fn obstacle(&self) -> Obstacle {
        match self {
            TransportError::Connect { source, .. } => obstacle(source),
            _ => Obstacle::Passing,
        }
    }

    /// Why the server could not be reached or did not answer, unless that is not the cause.
    pub(crate) fn unreachable(&self) -> Option<String> {
        match self {
            TransportError::Connect { source, .. } => Some(Reason(source).to_string()),
            TransportError::Exhausted { .. } => None,
            TransportError::Broken(error) | TransportError::CutOff(error) => {
                Some(Reason(&without_bytes(error.clone())).to_string())
            }
        }
    }

    pub(crate) fn connect(
        address: impl ToString,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        TransportError::Connect { address: address.to_string(), source: Arc::new(source) }
    }

    /// The error of `attempt`, caused by this.
    pub(crate) fn into_error(self, attempt: impl FnOnce() -> Attempt) -> Error {
        match self {
            TransportError::Connect { address, source } => {
                Error::Connect { address, source: Box::new(source) }
            }
            TransportError::Exhausted { address, waited } => {
                Error::PoolExhausted { address, waited }
            }
            TransportError::Broken(error) if error.is_timeout() => {
                Error::Timeout { attempt: Box::new(attempt()) }
            }
            TransportError::Broken(error) | TransportError::CutOff(error) => {
                Error::ConnectionLost {
                    attempt: Box::new(attempt()),
                    source: Box::new(without_bytes(error)),
                }
            }
        }
    }
}

/// Replaces an error of the driver's parser, which shows bytes of the reply.
fn without_bytes(error: RedisError) -> RedisError {
    match error.kind() {
        redis::ErrorKind::Parse => io::Error::new(io::ErrorKind::InvalidData, MALFORMED).into(),
        _ => error,
    }
}

const MALFORMED: &str = "the reply is malformed or was cut off";

#[cfg(test)]
mod tests {
    use redis::ErrorKind;

    use super::*;
    use crate::connection::handshake::Step;
    use crate::error::obstacle::LOOKUP;

    fn server_error(text: &str) -> RedisError {
        match redis::parse_redis_value(text.as_bytes()) {
            Ok(redis::Value::ServerError(error)) => error.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_malformed_reply_is_not_shown() {
        let error = redis::parse_redis_value(b"Q\r\n").expect_err("no reply begins so");
        assert!(error.to_string().contains("81"), "{error}");
        for broken in [TransportError::Broken(error.clone()), TransportError::CutOff(error)] {
            let error = broken.into_error(|| crate::request::Request::read("GET").attempt());
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(MALFORMED) && !shown.contains("81"), "{shown}");
        }
    }

    #[test]
    fn a_lasting_failure_differs_from_a_transient_one_however_deep_it_lies() {
        let io = |text: &str| io::Error::other(text.to_owned());
        let authentication = (ErrorKind::AuthenticationFailed, "Password authentication failed");
        let select = |text: &str| match redis::parse_redis_value(text.as_bytes()) {
            Ok(redis::Value::ServerError(error)) => Step::Select.refusal(&error, String::new()),
            other => panic!("{other:?}"),
        };
        let cases: Vec<(TransportError, Obstacle)> = vec![
            (TransportError::connect("x", select("-ERR out of range\r\n")), Obstacle::Refusal),
            (TransportError::connect("x", select("-NOAUTH first\r\n")), Obstacle::Refusal),
            (TransportError::connect("x", select("-BUSY a script\r\n")), Obstacle::Passing),
            (TransportError::connect("x", select("-LOADING data\r\n")), Obstacle::Passing),
            (TransportError::connect("x", RedisError::from(authentication)), Obstacle::Refusal),
            (
                TransportError::connect("x", server_error("-WRONGPASS invalid\r\n")),
                Obstacle::Refusal,
            ),
            (TransportError::connect("x", server_error("-NOAUTH first\r\n")), Obstacle::Refusal),
            (TransportError::connect("x", server_error("-NOPERM no\r\n")), Obstacle::Refusal),
            (
                TransportError::connect("x", server_error("-DENIED protected mode\r\n")),
                Obstacle::Refusal,
            ),
            (TransportError::connect("x", server_error("-LOADING data\r\n")), Obstacle::Passing),
            (
                TransportError::connect(
                    "x",
                    server_error("-ERR max number of clients reached\r\n"),
                ),
                Obstacle::Passing,
            ),
            (
                TransportError::connect("x", io(&format!("{LOOKUP}: Name or service not known"))),
                Obstacle::UnknownName,
            ),
            (
                TransportError::connect("x", io(&format!("{LOOKUP}: Name does not resolve"))),
                Obstacle::UnknownName,
            ),
            (
                TransportError::connect(
                    "x",
                    io(&format!("{LOOKUP}: Temporary failure in name resolution")),
                ),
                Obstacle::Passing,
            ),
            (TransportError::connect("x", io(&format!("{LOOKUP}: Try again"))), Obstacle::Passing),
            (
                TransportError::connect("x", io::Error::from(io::ErrorKind::ConnectionRefused)),
                Obstacle::Passing,
            ),
            (
                TransportError::connect("x", io::Error::from(io::ErrorKind::TimedOut)),
                Obstacle::Passing,
            ),
            (TransportError::Broken(server_error("-NOAUTH first\r\n")), Obstacle::Passing),
        ];
        for (fault, expected) in cases {
            assert_eq!(fault.obstacle(), expected, "{fault:?}");
            let attempt = || crate::request::Request::read("PING").attempt();
            let within = TransportError::connect("z", fault.clone().into_error(attempt));
            if matches!(fault, TransportError::Connect { .. }) {
                assert_eq!(within.obstacle(), expected, "within another: {within:?}");
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_that_is_refused_lasts() {
        let refused = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let by_io = io::Error::new(io::ErrorKind::InvalidData, refused());
        assert_eq!(
            TransportError::connect("x", RedisError::from(by_io)).obstacle(),
            Obstacle::Refusal
        );
        assert_eq!(
            TransportError::connect("x", RedisError::from(refused())).obstacle(),
            Obstacle::Refusal
        );
    }
}
