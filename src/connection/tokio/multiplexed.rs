//! The connection to one server that all calls of an async client share, one for each runtime.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::RedisResult;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::connecting::Purpose;
use super::connection::AsyncConnection;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::idle::IDLE_BEFORE_PROBE;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::time::Deadline;

/// A connection that is made when it is needed, and again when it failed. Each runtime has one of
/// its own, since a connection lives no longer than its runtime, and makes progress only while that
/// runs.
pub(crate) struct Multiplexed {
    pub(crate) connector: Connector,
    /// Calls only read it, so that none waits for another.
    state: RwLock<Connections>,
}

/// The connections of all runtimes.
#[derive(Default)]
struct Connections {
    runtimes: Vec<RuntimeConnection>,
    /// How many connection attempts were begun.
    attempts: u64,
}

/// The connection of a runtime.
struct RuntimeConnection {
    runtime: Id,
    state: ConnectionState,
}

/// The state of a runtime's connection.
enum ConnectionState {
    Connecting {
        attempt: u64,
        generation: usize,
        connected: Connecting,
        task: AbortHandle,
    },
    Ready {
        connection: AsyncConnection,
        /// How many connections had failed when this one was last known to be alive.
        failures: usize,
        probe: Option<PendingProbe>,
    },
}

/// The probe of an idle connection. Like connecting, it continues in a task when callers are
/// dropped: a caller that is dropped before replies arrive would otherwise never finish it.
type PendingProbe = Shared<BoxFuture<'static, RedisResult<()>>>;

/// The outcome of a connection attempt, for which all callers wait. The attempt itself is a task,
/// which continues when its callers do not.
type Connecting = Shared<BoxFuture<'static, TransportResult<AsyncConnection>>>;

impl Multiplexed {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, state: RwLock::default() }
    }

    /// Returns the connection of this runtime, if it was used recently. This counts as its use.
    pub(super) fn recently_used(&self) -> Option<AsyncConnection> {
        let runtime = Handle::try_current().ok()?.id();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let entry = state.runtimes.iter().find(|entry| entry.runtime == runtime)?;
        let ConnectionState::Ready { connection, failures, .. } = &entry.state else {
            return None;
        };
        let is_trusted = connection.is_current(&self.connector)
            && *failures == self.connector.failures()
            && connection.outstanding().is_used_again_within(IDLE_BEFORE_PROBE);
        is_trusted.then(|| connection.clone())
    }

    /// Returns the connection, and whether it is new. An idle one is not trusted to be alive: until
    /// an answer has proven it, each caller waits for a probe.
    ///
    /// A server that is silent then may hang, or only the connection may be dead. So it may be
    /// silent for half of the usual time when it is probed, and for half when it is reconnected to.
    pub(super) async fn connection(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> TransportResult<(AsyncConnection, bool)> {
        let silence = self.connector.longest_silence();
        let (mut connection, mut fresh) = self.connected(silence, deadline).await?;
        if !fresh {
            let probe = timeout(deadline.left(), self.probe(&connection)).await;
            if let Err(error) = probe.unwrap_or_else(|_| Err(timed_out())) {
                self.fail(&connection);
                let silence = if error.is_timeout() { silence / 2 } else { silence };
                (connection, fresh) = self.connected(silence, deadline).await?;
            }
        }
        if deadline.is_over() {
            return Err(self.connector.late());
        }
        self.trust(&connection);
        Ok((connection, fresh))
    }

    /// Begins a probe of an idle connection, or joins one in progress.
    fn probe(self: &Arc<Self>, connection: &AsyncConnection) -> PendingProbe {
        let mut state = self.state();
        let states = state.runtimes.iter_mut().map(|entry| &mut entry.state);
        let mut probes = states.filter_map(|state| match state {
            ConnectionState::Ready { connection: ready, probe, .. } if ready.is(connection) => {
                Some(probe)
            }
            _ => None,
        });
        let place = probes.next();
        if let Some(Some(probe)) = &place {
            return probe.clone();
        }
        let (asked, shared) = (connection.clone(), Arc::downgrade(self));
        let (half, deadline) = (self.connector.longest_silence() / 2, self.connector.deadline());
        let asking = tokio::spawn(async move {
            let outcome = asked.probe(half, deadline).await;
            if let Some(shared) = shared.upgrade() {
                shared.record_probe(&asked, outcome.is_ok());
            }
            outcome
        });
        let probe = asking.map(|outcome| outcome.unwrap_or_else(|_| Err(timed_out())));
        let probe = probe.boxed().shared();
        if let Some(place) = place {
            *place = Some(probe.clone());
        }
        probe
    }

    /// Records the outcome of a probe.
    fn record_probe(&self, connection: &AsyncConnection, is_alive: bool) {
        for entry in &mut self.state().runtimes {
            if let ConnectionState::Ready { connection: ready, probe, .. } = &mut entry.state
                && ready.is(connection)
            {
                *probe = None;
            }
        }
        if is_alive {
            self.trust(connection);
        }
    }

    /// Records that the connection is alive, and used now.
    fn trust(&self, connection: &AsyncConnection) {
        connection.outstanding().count_use();
        for entry in &mut self.state().runtimes {
            if let ConnectionState::Ready { connection: ready, failures, .. } = &mut entry.state
                && ready.is(connection)
            {
                *failures = self.connector.failures();
            }
        }
    }

    /// Returns the connection of this runtime, and whether it is new, without a probe.
    async fn connected(
        self: &Arc<Self>,
        silence: Duration,
        deadline: Deadline,
    ) -> TransportResult<(AsyncConnection, bool)> {
        let runtime = self.connector.runtime()?;
        let connecting = {
            let mut state = self.state();
            let entry = state.runtimes.iter().find(|entry| entry.runtime == runtime.id());
            match entry.map(|entry| &entry.state) {
                Some(ConnectionState::Ready { connection, .. })
                    if connection.is_current(&self.connector) =>
                {
                    return Ok((connection.clone(), false));
                }
                Some(ConnectionState::Connecting { generation, connected, task, .. })
                    if *generation == self.connector.generation() && !task.is_finished() =>
                {
                    connected.clone()
                }
                _ => self.connect(&mut state, &runtime, silence),
            }
        };
        let connected = timeout(deadline.left(), connecting).await;
        Ok((connected.unwrap_or_else(|_| Err(self.connector.late()))?, true))
    }

    /// Begins to connect, and forgets the connections of runtimes that have ended.
    fn connect(
        self: &Arc<Self>,
        state: &mut Connections,
        runtime: &Handle,
        silence: Duration,
    ) -> Connecting {
        state.attempts += 1;
        let (attempt, generation) = (state.attempts, self.connector.generation());
        let (connector, shared) = (self.connector.clone(), Arc::downgrade(self));
        let task = runtime.spawn(async move {
            let connected = connector.connect_async(Purpose::Calls, silence).await;
            if let Some(shared) = shared.upgrade() {
                shared.install(attempt, connected.as_ref().ok());
            }
            connected
        });
        let address = self.connector.address.clone();
        let abort = task.abort_handle();
        let connected = task.map(move |connected| {
            connected.unwrap_or_else(|error| Err(TransportError::connect(&address, error)))
        });
        let connected = connected.boxed().shared();
        let connecting = ConnectionState::Connecting {
            attempt,
            generation,
            connected: connected.clone(),
            task: abort,
        };
        let is_gone = |entry: &RuntimeConnection| match &entry.state {
            ConnectionState::Ready { connection, .. } => connection.has_ended(),
            ConnectionState::Connecting { task, .. } => task.is_finished(),
        };
        state.runtimes.retain(|entry| entry.runtime != runtime.id() && !is_gone(entry));
        state.runtimes.push(RuntimeConnection { runtime: runtime.id(), state: connecting });
        connected
    }

    /// Records the outcome of an attempt, unless another one has been begun.
    fn install(&self, attempt: u64, connection: Option<&AsyncConnection>) {
        let mut state = self.state();
        let is_it = |entry: &RuntimeConnection| match &entry.state {
            ConnectionState::Connecting { attempt: its, .. } => *its == attempt,
            ConnectionState::Ready { .. } => false,
        };
        let Some(place) = state.runtimes.iter().position(is_it) else { return };
        match connection.cloned() {
            Some(connection) => {
                connection.outstanding().count_use();
                let failures = self.connector.failures();
                state.runtimes[place].state =
                    ConnectionState::Ready { connection, failures, probe: None };
            }
            None => drop(state.runtimes.swap_remove(place)),
        }
    }

    /// Ensures that a failed connection is not used again, and that others are not trusted to be
    /// alive by their next calls.
    pub(super) fn fail(&self, connection: &AsyncConnection) {
        self.connector.count_failure();
        let is_it = |entry: &RuntimeConnection| match &entry.state {
            ConnectionState::Ready { connection: its, .. } => its.is(connection),
            ConnectionState::Connecting { .. } => false,
        };
        self.state().runtimes.retain(|entry| !is_it(entry));
    }

    /// Retires the connections of this one's generation, at most every 250 ms, because the address
    /// may now lead to another server. Returns whether the next call uses another connection.
    pub(super) fn retire_demoted(&self, connection: &AsyncConnection) -> bool {
        connection.has_ended() || self.connector.retire_demoted(connection.generation())
    }

    fn state(&self) -> RwLockWriteGuard<'_, Connections> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
