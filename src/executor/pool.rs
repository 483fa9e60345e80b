//! The pool of connections for commands that are answered at once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::RedisResult;
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use super::connection::Connector;
use super::idle::{Idle, LastUse, answers};
use crate::error::{Error, Result};

/// A bounded set of connections. One that failed is never used again: a reply may still be unread.
pub(crate) enum Pool {
    /// Slots that are connected by the caller who needs them, so that a refused connection is an
    /// error of that call, at once.
    Own(r2d2::Pool<Slots>),
    /// The user's own pool.
    Given {
        pool: r2d2::Pool<redis::Client>,
        /// Connections that failed, held back until they can be replaced in place.
        failed: Mutex<Vec<Given>>,
    },
}

/// What came of a use of a connection.
pub(crate) struct Outcome<T> {
    pub(crate) result: RedisResult<T>,
    /// Whether the connection was made for this use, so that it cannot have been stale.
    pub(crate) fresh: bool,
}

impl Pool {
    pub(crate) fn with_size(size: u32, patience: Duration) -> Result<Self> {
        let builder = r2d2::Pool::builder().max_size(size).connection_timeout(patience);
        let builder = builder.thread_pool(Arc::new(one_thread()));
        let pool = builder.test_on_check_out(false).build(Slots);
        pool.map(Pool::Own).map_err(|error| Error::Configuration(error.to_string()))
    }

    pub(crate) fn given(pool: r2d2::Pool<redis::Client>) -> Self {
        Pool::Given { pool, failed: Mutex::default() }
    }

    /// Lends a connection to `talk`. With `afresh` it is a new one.
    pub(crate) fn with<T>(
        &self,
        connector: &Connector,
        afresh: bool,
        talk: impl FnOnce(&mut redis::Connection) -> RedisResult<T>,
    ) -> Result<Outcome<T>> {
        match self {
            Pool::Own(pool) => with_slot(pool, connector, afresh, talk),
            Pool::Given { pool, failed } => with_given(pool, failed, connector, afresh, talk),
        }
    }
}

/// Slots cost r2d2 no work to speak of. Its own threads would outlive the pool by half a minute.
fn one_thread() -> ScheduledThreadPool {
    let behavior = OnPoolDropBehavior::DiscardPendingScheduled;
    ScheduledThreadPool::builder().num_threads(1).on_drop_behavior(behavior).build()
}

fn with_slot<T>(
    pool: &r2d2::Pool<Slots>,
    connector: &Connector,
    afresh: bool,
    talk: impl FnOnce(&mut redis::Connection) -> RedisResult<T>,
) -> Result<Outcome<T>> {
    let mut slot = pool.get().map_err(|_| exhausted(pool.connection_timeout(), connector))?;
    let idle = slot.0.take().filter(|_| !afresh);
    let (mut connection, fresh) = match idle.and_then(|idle| idle.usable(connector)) {
        Some(connection) => (connection, false),
        None => (connector.connect()?, true),
    };
    let result = talk(&mut connection);
    match result {
        Ok(_) => slot.0 = Some(Idle::new(connection, connector)),
        Err(_) => connector.count_failure(),
    }
    Ok(Outcome { result, fresh })
}

fn with_given<T>(
    pool: &r2d2::Pool<redis::Client>,
    failed: &Mutex<Vec<Given>>,
    connector: &Connector,
    afresh: bool,
    talk: impl FnOnce(&mut redis::Connection) -> RedisResult<T>,
) -> Result<Outcome<T>> {
    let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let held_back = lock().pop();
    let replace = afresh || held_back.is_some();
    let mut given = match held_back {
        Some(given) => given,
        None => pool.get().map_err(|error| not_given(pool, connector, error))?,
    };
    let fresh = replace || !still_usable(&mut given, connector);
    if fresh {
        match connector.connect() {
            Ok(connection) => *given = connection,
            Err(error) => {
                lock().push(given);
                return Err(error);
            }
        }
    }
    let result = talk(&mut given);
    Given::extensions_mut(&mut given).insert(LastUse::now(connector));
    if result.is_err() {
        connector.count_failure();
        lock().push(given);
    }
    Ok(Outcome { result, fresh })
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

fn not_given(pool: &r2d2::Pool<redis::Client>, connector: &Connector, error: r2d2::Error) -> Error {
    match pool.state().connections < pool.max_size() {
        true => Error::Connect { address: connector.address.clone(), source: Box::new(error) },
        false => exhausted(pool.connection_timeout(), connector),
    }
}

fn exhausted(waited: Duration, connector: &Connector) -> Error {
    Error::PoolExhausted { address: connector.address.clone(), waited }
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

    fn connect(&self) -> std::result::Result<Slot, Infallible> {
        Ok(Slot(None))
    }

    fn is_valid(&self, _: &mut Slot) -> std::result::Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Slot) -> bool {
        false
    }
}
