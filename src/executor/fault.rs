//! How a round trip fails, before it is known whose error it becomes.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

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

impl Fault {
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
