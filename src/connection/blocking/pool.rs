//! The pool of connections for commands that do not block.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use super::connection::Connection;
#[cfg(feature = "r2d2-pool")]
use super::user_pool;
#[cfg(feature = "r2d2-pool")]
use super::user_pool::Given;
use crate::connection::connector::Connector;
use crate::connection::idle::{Idle, Usable, usable};
use crate::connection::transport_error::{TransportError, TransportResult};
#[cfg(feature = "r2d2-pool")]
use crate::lock::Lock;
use crate::time::Deadline;

/// A bounded set of connections. One that failed is never used again: a reply may still be unread.
#[derive(Clone)]
pub(crate) enum Pool {
    /// Slots that are connected by the caller that needs them, so that a refused connection is an
    /// immediate error of that call.
    Own(r2d2::Pool<Slots>),
    /// The user's own pool.
    #[cfg(feature = "r2d2-pool")]
    Given {
        pool: r2d2::Pool<redis::Client>,
        /// Failed connections, held back until they can be replaced in place.
        failed: Arc<Lock<Vec<Given>>>,
    },
}

/// The settings that the pools of all servers share.
#[derive(Clone)]
pub(crate) struct PoolSettings {
    /// How many connections calls share, if any do.
    shared: Option<u32>,
    pub(crate) size: u32,
    pub(crate) checkout_timeout: Duration,
    #[cfg(feature = "r2d2-pool")]
    given: Option<r2d2::Pool<redis::Client>>,
    /// Slots cost r2d2 almost no work. Its own threads would outlive a pool by half a minute.
    thread: Arc<ScheduledThreadPool>,
}

impl PoolSettings {
    pub(crate) fn new(shared: Option<u32>, size: u32, checkout_timeout: Duration) -> Self {
        let behavior = OnPoolDropBehavior::DiscardPendingScheduled;
        let thread = ScheduledThreadPool::builder().num_threads(1).on_drop_behavior(behavior);
        Self {
            shared,
            size,
            checkout_timeout,
            #[cfg(feature = "r2d2-pool")]
            given: None,
            thread: Arc::new(thread.build()),
        }
    }

    /// How many connections calls share, if any do. A pool of the user takes all calls.
    pub(super) fn shared(&self) -> Option<u32> {
        #[cfg(feature = "r2d2-pool")]
        if self.given.is_some() {
            return None;
        }
        self.shared
    }

    /// Uses the pool of the user, if there is one.
    #[cfg(feature = "r2d2-pool")]
    pub(crate) fn with_pool_of_user(self, given: Option<r2d2::Pool<redis::Client>>) -> Self {
        Self { given, ..self }
    }
}

impl Pool {
    pub(crate) fn new(settings: &PoolSettings) -> Self {
        #[cfg(feature = "r2d2-pool")]
        if let Some(pool) = &settings.given {
            return Pool::Given { pool: pool.clone(), failed: Arc::default() };
        }
        let builder = r2d2::Pool::builder().max_size(settings.size).min_idle(Some(0));
        let builder =
            builder.connection_timeout(settings.checkout_timeout).test_on_check_out(false);
        Pool::Own(builder.thread_pool(settings.thread.clone()).build_unchecked(Slots))
    }

    /// Lends a connection, which is not `fresh` if it was used before.
    pub(crate) fn lend<'a>(
        &'a self,
        connector: &'a Connector,
        deadline: Deadline,
    ) -> TransportResult<PoolConnection<'a>> {
        let within = |timeout: Duration| timeout.min(deadline.left());
        match self {
            Pool::Own(pool) => {
                let timeout = within(pool.connection_timeout());
                let slot = pool.get_timeout(timeout);
                let slot = slot.map_err(|_| exhausted(timeout, connector))?;
                PoolConnection::of_slot(slot, connector, deadline)
            }
            #[cfg(feature = "r2d2-pool")]
            Pool::Given { pool, failed } => {
                let timeout = within(pool.connection_timeout());
                let held_back = failed.lock().pop();
                let failed_before = held_back.is_some();
                let given = held_back.map_or_else(|| pool.get_timeout(timeout), Ok);
                let given = given.map_err(|error| not_given(pool, timeout, connector, error))?;
                let held = Held::Given(given, failed.clone());
                let mut pooled = PoolConnection { held, connector, fresh: failed_before, deadline };
                match pooled.make_usable() {
                    Ok(()) => Ok(pooled),
                    Err(fault) => {
                        pooled.finish(Condition::Broken);
                        Err(fault)
                    }
                }
            }
        }
    }

    /// Like `lend`, unless all connections are in use. The user's pool is not for such calls.
    pub(crate) fn try_lend<'a>(
        &'a self,
        connector: &'a Connector,
        deadline: Deadline,
    ) -> Option<TransportResult<PoolConnection<'a>>> {
        match self {
            Pool::Own(pool) => {
                let has_room = || pool.state().connections < pool.max_size();
                let slot = pool.try_get();
                let slot =
                    slot.or_else(|| has_room().then(|| pool.get_timeout(NEW_SLOT).ok())?)?;
                Some(PoolConnection::of_slot(slot, connector, deadline))
            }
            #[cfg(feature = "r2d2-pool")]
            Pool::Given { .. } => None,
        }
    }
}

/// A borrowed connection of a pool, which must be finished.
#[must_use]
pub(crate) struct PoolConnection<'a> {
    held: Held,
    connector: &'a Connector,
    pub(crate) fresh: bool,
    deadline: Deadline,
}

/// A borrowed connection, of either kind of pool.
enum Held {
    Slot(r2d2::PooledConnection<Slots>, Box<Connection>),
    #[cfg(feature = "r2d2-pool")]
    Given(Given, Arc<Lock<Vec<Given>>>),
}

/// The condition in which a connection is returned.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Condition {
    Sound,
    /// It failed: a reply may still be unread.
    Broken,
    /// It leads to a server that is not, or no longer, the right one. Other connections may lead to
    /// the right one.
    Misled,
}

impl<'a> PoolConnection<'a> {
    /// Connects a slot, if need be.
    fn of_slot(
        mut slot: r2d2::PooledConnection<Slots>,
        connector: &'a Connector,
        deadline: Deadline,
    ) -> TransportResult<Self> {
        let Usable { connection, fresh } =
            usable(slot.0.take(), connector, connector.limits(deadline))?;
        Ok(Self { held: Held::Slot(slot, connection), connector, fresh, deadline })
    }
}

impl PoolConnection<'_> {
    pub(crate) fn send(&mut self, packed: &[u8]) -> RedisResult<()> {
        match &mut self.held {
            Held::Slot(_, connection) => {
                connection.limit(self.connector.limits(self.deadline));
                connection.send(packed)
            }
            #[cfg(feature = "r2d2-pool")]
            Held::Given(given, _) => given.send_packed_command(packed),
        }
    }

    pub(crate) fn receive(&mut self) -> RedisResult<Value> {
        match &mut self.held {
            Held::Slot(_, connection) => connection.receive(),
            #[cfg(feature = "r2d2-pool")]
            Held::Given(given, _) => user_pool::receive(given),
        }
    }

    /// Replaces the connection, which is not sound, by a new one.
    pub(crate) fn renew(mut self, condition: Condition) -> TransportResult<Self> {
        self.report(condition);
        let limits = self.connector.limits(self.deadline);
        let renewed = match &mut self.held {
            Held::Slot(_, connection) => {
                Connection::open(self.connector, limits).map(|new| **connection = new)
            }
            #[cfg(feature = "r2d2-pool")]
            Held::Given(given, _) => user_pool::replace(given, self.connector, limits),
        };
        match renewed {
            Ok(()) => Ok(Self { fresh: true, ..self }),
            Err(fault) => {
                self.finish(Condition::Broken);
                Err(fault)
            }
        }
    }

    /// Returns the connection to the pool, if it is sound. A failed one of the user's pool is held
    /// back.
    pub(crate) fn finish(self, condition: Condition) {
        self.report(condition);
        match self.held {
            Held::Slot(mut slot, connection) if condition == Condition::Sound => {
                slot.0 = Some(Idle::new(connection, self.connector));
            }
            Held::Slot(..) => {}
            #[cfg(feature = "r2d2-pool")]
            Held::Given(mut given, failed) => {
                user_pool::record_use(&mut given, self.connector);
                if condition != Condition::Sound {
                    failed.lock().push(given);
                }
            }
        }
    }

    /// Retires the connections of this one's generation, at most every 250 ms, because the address
    /// may now lead to another server. Returns whether the next call uses another connection.
    pub(crate) fn retire_demoted(&self) -> bool {
        self.connector.retire_demoted(match &self.held {
            Held::Slot(_, connection) => connection.generation,
            #[cfg(feature = "r2d2-pool")]
            Held::Given(given, _) => user_pool::generation(given),
        })
    }

    /// Shares the condition of this connection with the others.
    fn report(&self, condition: Condition) {
        if condition == Condition::Broken {
            self.connector.count_failure();
        }
    }

    /// Makes a connection of the user's pool usable.
    #[cfg(feature = "r2d2-pool")]
    fn make_usable(&mut self) -> TransportResult<()> {
        let Held::Given(given, _) = &mut self.held else { return Ok(()) };
        let limits = self.connector.limits(self.deadline);
        if self.fresh {
            user_pool::replace(given, self.connector, limits)?;
        } else {
            self.fresh = user_pool::make_usable(given, self.connector, limits)?;
        }
        Ok(())
    }
}

/// The error of the user's pool that lent no connection: it could not connect, or all are in use.
#[cfg(feature = "r2d2-pool")]
fn not_given(
    pool: &r2d2::Pool<redis::Client>,
    timeout: Duration,
    connector: &Connector,
    error: r2d2::Error,
) -> TransportError {
    if pool.state().connections < pool.max_size() {
        TransportError::connect(&connector.address, error)
    } else {
        exhausted(timeout, connector)
    }
}

fn exhausted(waited: Duration, connector: &Connector) -> TransportError {
    TransportError::Exhausted { address: connector.address.clone(), waited }
}

/// How long r2d2's thread may take to create a slot, which it does at once.
const NEW_SLOT: Duration = Duration::from_millis(20);

/// Creates slots, which are empty at first.
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
