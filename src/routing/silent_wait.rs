//! The decision whether to keep waiting for a silent server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::Value;

use crate::connection::server_info;
use crate::connection::{Node, SilencePolicy};
use crate::lock::Lock;
use crate::protocol::{Form, Line};
use crate::request::Request;
use crate::time::Deadline;
use crate::topology::{Destination, Servers};

/// Finds out whether a silent server is frozen, paused or unreachable, so that the reply may still
/// arrive, or whether only the connection of the wait is dead.
pub(crate) struct SilentWait<'a, N: Node> {
    servers: &'a Servers<N>,
    to: &'a Destination,
    /// Changes nothing, and is delayed like the wait: while clients that write are paused.
    probe: Request,
    node: &'a Arc<N>,
    /// How long the server may take for the wait once it processes it.
    slice: Duration,
    end: Deadline,
    began: Instant,
    /// Since when the server is known to answer other requests than the wait.
    answers: Lock<Option<Instant>>,
    is_replaced: AtomicBool,
}

impl<'a, N: Node> SilentWait<'a, N> {
    pub(crate) fn new(
        servers: &'a Servers<N>,
        to: &'a Destination,
        wait: &Request,
        node: &'a Arc<N>,
        (slice, end): (Duration, Deadline),
    ) -> Self {
        let probe = Request::write("LPOP").key(wait.keys().next().unwrap_or_default()).number(0);
        let (began, answers, is_replaced) = (Instant::now(), Lock::default(), false.into());
        Self { servers, to, probe, node, slice, end, began, answers, is_replaced }
    }

    /// Returns whether the silent server has lost its role or its data, so that nothing that it
    /// takes from now on counts.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Acquire)
    }

    /// Examines the silent server. Returns whether the reply may still arrive.
    async fn examine(&self) -> bool {
        if self.end.is_over() {
            return false;
        }
        let limit = self.end.within(self.response_timeout());
        if matches!(self.to, Destination::Slot(_)) && !self.servers.are_fixed() {
            self.servers.mark_stale();
            let now = self.servers.node(self.to, limit).await;
            if now.is_ok_and(|now| !Arc::ptr_eq(&now, self.node)) {
                self.is_replaced.store(true, Ordering::Release);
                return false;
            }
        }
        let answer = self.node.call(Line::new(&self.probe, Form::AsIs), limit).await;
        let first = {
            let mut answers = self.answers.lock();
            match answer {
                Ok(_) => Some(*answers.get_or_insert_with(Instant::now)),
                Err(_) => answers.take().and(None),
            }
        };
        match first {
            // By now a wait that the server processed when it answered this has ended too.
            Some(first) if first.elapsed() >= self.slice + self.response_timeout() => {
                let was_restarted = self.was_restarted(limit).await;
                self.is_replaced.store(was_restarted, Ordering::Release);
                false
            }
            _ => true,
        }
    }

    fn response_timeout(&self) -> Duration {
        self.node.connector().response_timeout
    }

    /// Returns whether the server is another process than the one that was asked to wait.
    async fn was_restarted(&self, limit: Deadline) -> bool {
        let info = Request::read("INFO").arg("server");
        let reply = self.node.call(Line::new(&info, Form::AsIs), limit).await;
        let parsed = |info: &Value| server_info::field(info, "uptime_in_seconds")?.parse().ok();
        let seconds = reply.ok().as_ref().and_then(parsed);
        let uptime = seconds.map(Duration::from_secs);
        uptime.is_some_and(|uptime| uptime + UPTIME_RESOLUTION < self.began.elapsed())
    }
}

impl<N: Node> SilencePolicy for SilentWait<'_, N> {
    fn end(&self) -> Deadline {
        self.end
    }

    fn keeps_waiting(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.examine())
    }
}

/// Servers count whole seconds.
const UPTIME_RESOLUTION: Duration = Duration::from_secs(1);
