//! The pool of connections for commands that are answered at once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use super::connection::Connector;
use super::fault::{Fault, Outcome};
use super::idle::{Idle, LastUse, answers};

/// A bounded set of connections. One that failed is never used again: a reply may still be unread.
#[derive(Clone)]
pub(crate) enum Pool {
    /// Slots that are connected by the caller who needs them, so that a refused connection is an
    /// error of that call, at once.
    Own(r2d2::Pool<Slots>),
    /// The user's own pool.
    Given {
        pool: r2d2::Pool<redis::Client>,
        /// Connections that failed, held back until they can be replaced in place.
        failed: Arc<Mutex<Vec<Given>>>,
    },
}

/// What the pools of all servers have in common.
#[derive(Clone)]
pub(crate) struct PoolSettings {
    pub(crate) size: u32,
    pub(crate) patience: Duration,
    pub(crate) given: Option<r2d2::Pool<redis::Client>>,
    /// Slots cost r2d2 no work to speak of. Its own threads would outlive a pool by half a minute.
    thread: Arc<ScheduledThreadPool>,
}

impl PoolSettings {
    pub(crate) fn new(
        size: u32,
        patience: Duration,
        given: Option<r2d2::Pool<redis::Client>>,
    ) -> Self {
        let behavior = OnPoolDropBehavior::DiscardPendingScheduled;
        let thread = ScheduledThreadPool::builder().num_threads(1).on_drop_behavior(behavior);
        Self { size, patience, given, thread: Arc::new(thread.build()) }
    }
}

impl Pool {
    pub(crate) fn new(settings: &PoolSettings) -> Self {
        if let Some(pool) = &settings.given {
            return Pool::Given { pool: pool.clone(), failed: Arc::default() };
        }
        let builder = r2d2::Pool::builder().max_size(settings.size).min_idle(Some(0));
        let builder = builder.connection_timeout(settings.patience).test_on_check_out(false);
        Pool::Own(builder.thread_pool(settings.thread.clone()).build_unchecked(Slots))
    }

    /// Lends a connection, which is not `fresh` if it was used before.
    pub(crate) fn lend<'a>(&'a self, connector: &'a Connector) -> Outcome<Lease<'a>> {
        match self {
            Pool::Own(pool) => {
                let exhausted = |_| exhausted(pool.connection_timeout(), connector);
                let mut slot = pool.get().map_err(exhausted)?;
                let idle = slot.0.take().and_then(|idle| idle.usable(connector));
                let fresh = idle.is_none();
                let connection = idle.map_or_else(|| connector.connect(), Ok)?;
                let held = Held::Slot(slot, connection);
                Ok(Lease { held, connector, fresh })
            }
            Pool::Given { pool, failed } => {
                let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
                let held_back = lock().pop();
                let replace = held_back.is_some();
                let mut given = match held_back {
                    Some(given) => given,
                    None => pool.get().map_err(|error| not_given(pool, connector, error))?,
                };
                let fresh = replace || !still_usable(&mut given, connector);
                let lease = Lease { held: Held::Given(given, failed), connector, fresh };
                if fresh { lease.renew() } else { Ok(lease) }
            }
        }
    }
}

/// A connection of a pool in use, which has to be finished.
#[must_use]
pub(crate) struct Lease<'a> {
    held: Held<'a>,
    connector: &'a Connector,
    pub(crate) fresh: bool,
}

enum Held<'a> {
    Slot(r2d2::PooledConnection<Slots>, redis::Connection),
    Given(Given, &'a Mutex<Vec<Given>>),
}

impl Lease<'_> {
    pub(crate) fn connection(&mut self) -> &mut redis::Connection {
        match &mut self.held {
            Held::Slot(_, connection) => connection,
            Held::Given(given, _) => given,
        }
    }

    /// Replaces the connection by a new one.
    pub(crate) fn renew(mut self) -> Outcome<Self> {
        match self.connector.connect() {
            Ok(connection) => {
                *self.connection() = connection;
                Ok(Self { fresh: true, ..self })
            }
            Err(fault) => {
                self.finish(false);
                Err(fault)
            }
        }
    }

    /// Gives the connection back, if it succeeded. One of the user's pool that did not is held back.
    pub(crate) fn finish(self, succeeded: bool) {
        if !succeeded {
            self.connector.count_failure();
        }
        match self.held {
            Held::Slot(mut slot, connection) if succeeded => {
                slot.0 = Some(Idle::new(connection, self.connector));
            }
            Held::Slot(..) => {}
            Held::Given(mut given, failed) => {
                Given::extensions_mut(&mut given).insert(LastUse::now(self.connector));
                if !succeeded {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).push(given);
                }
            }
        }
    }
}

/// Whether a connection of the user's pool can be used as it is. The first time, it gets the
/// client's time limits.
fn still_usable(given: &mut Given, connector: &Connector) -> bool {
    match Given::extensions(given).get::<LastUse>() {
        Some(last_use) if last_use.is_recent(connector) => true,
        Some(_) => answers(given),
        None => connector.limit_times(given).is_ok() && answers(given),
    }
}

fn not_given(pool: &r2d2::Pool<redis::Client>, connector: &Connector, error: r2d2::Error) -> Fault {
    match pool.state().connections < pool.max_size() {
        true => Fault::connect(&connector.address, error),
        false => exhausted(pool.connection_timeout(), connector),
    }
}

fn exhausted(waited: Duration, connector: &Connector) -> Fault {
    Fault::Exhausted { address: connector.address.clone(), waited }
}

type Given = r2d2::PooledConnection<redis::Client>;

/// Makes slots, which are empty at first.
#[derive(Debug)]
pub(crate) struct Slots;

/// A place for one connection.
pub(crate) struct Slot(Option<Idle>);

impl r2d2::ManageConnection for Slots {
    type Connection = Slot;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot(None))
    }

    fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Slot) -> bool {
        false
    }
}
