//! Connections for calls that wait, apart from the pool so that they never starve it.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{ConnectionLike, Value};

use super::connection::{Connector, connection_error};
use super::idle::Idle;
use crate::command::Wait;
use crate::error::Result;
use crate::protocol::Form;
use crate::request::Request;

/// Idle connections for waiting calls. As many are open as calls wait at the same time.
#[derive(Default)]
pub(crate) struct Waiting {
    idle: Mutex<Vec<Idle>>,
}

impl Waiting {
    /// Sends `request` and waits for its reply as long as it says, in slices, so that a dead
    /// connection is noticed. A lost connection is made anew until the time is up.
    pub(crate) fn call(
        &self,
        connector: &Connector,
        request: &Request,
        wait: Wait,
    ) -> Result<Value> {
        let deadline = Deadline::after(wait);
        let mut pause = SHORTEST_PAUSE;
        let mut reached = false;
        loop {
            let slice = deadline.left().clamp(SHORTEST_SLICE, LONGEST_SLICE);
            let attempted = match self.take_or_connect(connector) {
                Ok(connection) => {
                    reached = true;
                    self.wait_once(connection, connector, request, slice)
                }
                Err(error) => Err(error),
            };
            let retry = !deadline.is_over() && reached;
            match attempted {
                Ok(Value::Nil) if retry => pause = SHORTEST_PAUSE,
                attempted if retry && is_passing(&attempted) => {
                    sleep(pause.min(deadline.left()));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                attempted => return attempted,
            }
        }
    }

    fn take_or_connect(&self, connector: &Connector) -> Result<redis::Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let usable = idle.and_then(|idle| idle.usable(connector));
        usable.map_or_else(|| connector.connect(), Ok)
    }

    /// A connection whose wait failed is dropped: its reply may still be on the way.
    fn wait_once(
        &self,
        mut connection: redis::Connection,
        connector: &Connector,
        request: &Request,
        slice: Duration,
    ) -> Result<Value> {
        let mut packed = Vec::new();
        request.pack(Form::Waiting(slice), &mut packed);
        let limited = connection.set_read_timeout(Some(slice + connector.response_timeout));
        let result = limited.and_then(|()| connection.req_packed_command(&packed));
        let value = result.map_err(|error| {
            connector.count_failure();
            connection_error(request.attempt(), error)
        })?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(value, Value::ServerError(_)) && idle.len() < MOST_IDLE {
            idle.push(Idle::new(connection, connector));
        }
        Ok(value)
    }
}

/// Whether the same call may succeed on another connection: the one it had was lost, a demoted master
/// unblocked its clients, or a restarted one is loading.
fn is_passing(attempted: &Result<Value>) -> bool {
    match attempted {
        Ok(Value::ServerError(error)) => {
            matches!(error.code(), "UNBLOCKED" | "LOADING" | "MASTERDOWN")
        }
        Ok(_) => false,
        Err(error) => error.is_connection_lost(),
    }
}

/// When a wait ends, if ever.
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(wait: Wait) -> Self {
        match wait {
            Wait::For(time) => Self(Instant::now().checked_add(time)),
            Wait::Forever => Self(None),
        }
    }

    fn left(&self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// The server takes zero for "for ever".
const SHORTEST_SLICE: Duration = Duration::from_millis(1);
const LONGEST_SLICE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const MOST_IDLE: usize = 16;
