//! Sends a dispatcher's scripts: only while its phase permits it, and repeatedly while the server
//! is unreachable.

use std::sync::Arc;
use std::time::Duration;

use super::core::DispatcherCore;
use super::lifecycle::{Lifecycle, Phase, UnderWay};
use crate::client::RoundTrips;
use crate::error::code::lacks_room;
use crate::error::{Error, KeywordError, Result};
use crate::reply::Reply;
use crate::request::Request;
use crate::time::Wait;
use crate::time::{Deadline, Pauses};

impl<E: RoundTrips> DispatcherCore<E> {
    /// Completes the keys of a script that only the lease holder may run.
    pub(super) fn leased(&self, command: Request) -> Request {
        command.key(&self.names.lease()).arg(&self.id).number(self.lease.as_millis())
    }

    /// Sends such a script. It is retried for `retry_time` while the server is unreachable, but not
    /// beyond the grace period: running twice does no harm.
    pub(super) async fn send<T: Send + 'static>(
        &self,
        command: Request,
        read: fn(Reply<'_>) -> Result<Option<T>>,
        retry_time: Duration,
    ) -> Result<T> {
        self.send_with(Lifecycle::call, command, read, retry_time).await
    }

    /// Like [`send`](Self::send), if `permit` allows it.
    pub(super) async fn send_with<T: Send + 'static>(
        &self,
        permit: fn(&Arc<Lifecycle>) -> std::result::Result<UnderWay, Phase>,
        command: Request,
        read: fn(Reply<'_>) -> Result<Option<T>>,
        retry_time: Duration,
    ) -> Result<T> {
        let ended = |phase| {
            let attempt = Box::new(command.attempt());
            let source = match phase {
                Phase::Lost => KeywordError::AlreadyServed,
                _ => KeywordError::NotServed,
            };
            Error::Keyword { attempt, source }
        };
        let deadline = Deadline::after(Wait::For(retry_time));
        let mut pauses = Pauses::new();
        loop {
            let sent = {
                let _call = permit(&self.life).map_err(ended)?;
                self.executor.send(command.clone().returns(read)).await
            };
            match sent {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {
                    self.life.lose();
                    return Err(ended(Phase::Lost));
                }
                Err(error) if !error.is_transient() || deadline.is_over() => return Err(error),
                // The writer gets this error rather than waiting for memory.
                Err(error) if error.code().is_some_and(lacks_room) => return Err(error),
                Err(error) if self.life.has_no_time() => return Err(error),
                Err(_) => self.rest(pauses.next()).await,
            }
        }
    }

    /// Sleeps for `time`.
    pub(super) async fn rest(&self, time: Duration) {
        self.executor.pause(time).await;
    }
}
