//! How a round trip fails, before it is known whose error it becomes.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

use crate::error::obstacle::{Obstacle, obstacle};
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
    /// The connection of a wait broke within the reply.
    CutOff(RedisError),
}

impl Fault {
    /// How lasting the reason for a missing connection is. Passing if there is another fault.
    pub(crate) fn obstacle(&self) -> Obstacle {
        match self {
            Fault::Connect { source, .. } => obstacle(source),
            _ => Obstacle::Passing,
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
            Fault::Broken(error) | Fault::CutOff(error) => {
                Error::ConnectionLost { attempt: Box::new(attempt()), source: Box::new(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::ErrorKind;

    use super::*;
    use crate::error::obstacle::LOOKUP;

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
