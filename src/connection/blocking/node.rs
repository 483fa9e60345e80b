use std::future::ready;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::{RedisResult, Value};

use super::dedicated::DedicatedConnections;
use super::large_keys::{LARGEST, LargeKeys};
use super::listener::{BlockingListening, listen};
use super::pool::{Condition, Pool, PoolConnection, PoolSettings};
use super::sent::{Sent, condition, may_be_repeated, were_refused};
use super::shared::{ConnectionKind, Exchanged, Failed, Replies, SharedConnections};
use crate::connection::connector::{Connector, timed_out};
use crate::connection::exclusive::ExclusiveConnection;
use crate::connection::idle::{Idle, Usable, usable};
use crate::connection::node::{ListenOptions, Node, SilencePolicy, repeatable};
use crate::connection::observed::Observed;
use crate::connection::push::PushHandler;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::{Line, pack};
use crate::reply::asks_to_reconnect;
use crate::time::Deadline;
use crate::time::Signal;
use crate::time::finish;

/// A server to which threads share connections, observed.
pub(crate) type BlockingNode = Observed<SharingNode>;

/// A server to which threads share connections. Some calls have one of their own.
pub(crate) struct SharingNode {
    connector: Connector,
    /// Without these, each call uses a connection of its own.
    shared: Option<SharedConnections>,
    large_keys: LargeKeys,
    pool: Pool,
    waiting: DedicatedConnections,
}

impl Node for SharingNode {
    type Settings = PoolSettings;

    fn new(connector: Connector, settings: &PoolSettings) -> Self {
        Self {
            connector,
            shared: settings.shared().map(SharedConnections::new),
            large_keys: LargeKeys::new(),
            pool: Pool::new(settings),
            waiting: DedicatedConnections::default(),
        }
    }

    fn connector(&self) -> &Connector {
        &self.connector
    }

    fn call(
        &self,
        line: Line<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Value>> + Send {
        ready(self.exchange(&[line], deadline).map(Replies::into_last))
    }

    fn call_several(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        ready(self.exchange(lines, deadline).map(Replies::into_vec))
    }

    fn call_many(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        let sent = self.send_ahead(lines, deadline);
        async move {
            match sent {
                Some(sent) => sent?.finish(),
                None => self.exchange(lines, deadline).map(Replies::into_vec),
            }
        }
    }

    fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        ready(self.exchange_alone(lines, deadline, exclusive))
    }

    fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> impl Future<Output = TransportResult<Value>> + Send {
        ready(self.waiting.wait(&self.connector, lines, slice, policy))
    }

    fn pause(time: Duration) -> impl Future<Output = ()> + Send {
        thread::sleep(time);
        ready(())
    }

    fn retire_connections(&self) {
        self.connector.retire_connections(self.connector.generation());
    }

    type Listening = BlockingListening;

    fn ask(
        &self,
        listening: &BlockingListening,
        _deadline: Deadline,
    ) -> impl Future<Output = TransportResult<()>> + Send {
        listening.ask();
        ready(Ok(()))
    }

    fn listen(
        &self,
        lines: &[Line<'_>],
        handler: Arc<dyn PushHandler>,
        options: ListenOptions,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<(BlockingListening, Vec<Value>)>> + Send {
        ready(listen(&self.connector, lines, handler, options, deadline))
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name("redis-worker".into());
        thread.spawn(move || finish(work)).map(drop)
    }

    fn rest(signal: &Signal, time: Duration) -> impl Future<Output = ()> + Send {
        signal.block(time);
        ready(())
    }
}

impl SharingNode {
    /// Sends `lines` on a connection of the pool, for `finish` to read the replies.
    fn send<'a, 'b, 'c>(
        &'a self,
        lines: &'b [Line<'c>],
        deadline: Deadline,
    ) -> TransportResult<Sent<'a, 'b, 'c>> {
        self.send_on(self.pool.lend(&self.connector, deadline)?, lines, deadline)
    }

    /// Like `send`, unless that would wait for a connection that other calls use, although `lines`
    /// could share one.
    fn send_ahead<'a, 'b, 'c>(
        &'a self,
        lines: &'b [Line<'c>],
        deadline: Deadline,
    ) -> Option<TransportResult<Sent<'a, 'b, 'c>>> {
        if self.shared.is_none() || self.are_large(lines) {
            return Some(self.send(lines, deadline));
        }
        let lent = self.pool.try_lend(&self.connector, deadline)?;
        Some(lent.and_then(|pooled| self.send_on(pooled, lines, deadline)))
    }

    fn send_on<'a, 'b, 'c>(
        &'a self,
        pooled: PoolConnection<'a>,
        lines: &'b [Line<'c>],
        deadline: Deadline,
    ) -> TransportResult<Sent<'a, 'b, 'c>> {
        if deadline.is_over() {
            pooled.finish(Condition::Sound);
            return Err(TransportError::connect(&self.connector.address, timed_out()));
        }
        Ok(Sent::new(pooled, lines))
    }

    /// Sends `lines`, on a shared connection if they delay no others for long, and returns the
    /// replies. Repeatable commands are repeated once if the connection was stale.
    fn exchange(&self, lines: &[Line<'_>], deadline: Deadline) -> TransportResult<Replies> {
        let pooled = || self.send(lines, deadline).and_then(Sent::finish).map(Replies::Several);
        let Some(shared) = &self.shared else { return pooled() };
        let replies = self.exchange_shared(shared, lines, self.are_large(lines), deadline);
        let replies = replies.unwrap_or_else(pooled)?;
        for (line, reply) in lines.iter().zip(replies.as_slice()) {
            self.large_keys.record(line, reply);
        }
        Ok(replies)
    }

    /// Returns whether the requests or their replies may be too large to delay others.
    fn are_large(&self, lines: &[Line<'_>]) -> bool {
        let size: usize = lines.iter().map(Line::size).sum();
        let has_large_reply = |line| Line::has_large_reply(line) || self.large_keys.contains(line);
        size > LARGEST || lines.iter().any(has_large_reply)
    }

    /// An exchange on a shared connection, if there is one for calls of this size. Where none can be
    /// made, another one that there is takes its place.
    fn exchange_shared(
        &self,
        shared: &SharedConnections,
        lines: &[Line<'_>],
        is_large: bool,
        deadline: Deadline,
    ) -> Option<TransportResult<Replies>> {
        let mut is_first = true;
        let mut others = shared.len() - 1;
        loop {
            let (mut packed, expected) = (pack(lines), lines.len());
            let exchanged = if is_large {
                shared.exchange_large(&self.connector, &mut packed, expected, deadline)?
            } else {
                shared.exchange(&self.connector, packed, expected, deadline)
            };
            let (is_stale, may_repeat, result) = match exchanged {
                Ok(Exchanged { replies, connection: ConnectionKind { fresh, generation } }) => {
                    let slice = replies.as_slice();
                    let is_misled = slice.iter().any(asks_to_reconnect)
                        && self.connector.retire_demoted(generation);
                    (is_misled && !fresh, were_refused(lines, slice), Ok(replies))
                }
                Err(Failed { fault: TransportError::Connect { .. }, .. })
                    if others > 0 && shared.has_open() && !deadline.is_over() =>
                {
                    others -= 1;
                    continue;
                }
                Err(Failed { fault, is_stale }) => {
                    let is_broken =
                        matches!(&fault, TransportError::Broken(error) if !error.is_timeout());
                    (is_stale, is_broken && repeatable(lines), Err(fault))
                }
            };
            if !(is_first && is_stale && may_repeat) {
                return Some(result);
            }
            is_first = false;
        }
    }

    /// Like an exchange on a pooled connection: repeatable commands are repeated once if the
    /// connection was stale.
    fn exchange_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> TransportResult<Vec<Value>> {
        let packed = pack(lines);
        loop {
            let idle = exclusive.take::<Idle>(&self.connector.address);
            let Usable { mut connection, fresh } =
                usable(idle, &self.connector, self.connector.limits(deadline))?;
            if fresh {
                exclusive.count_new();
            }
            connection.limit(self.connector.limits(deadline));
            let sent = connection.send(&packed);
            let mut receive_each = || lines.iter().map(|_| connection.receive()).collect();
            let result: RedisResult<Vec<_>> = sent.and_then(|()| receive_each());
            let left = condition(&result, || self.connector.retire_demoted(connection.generation));
            match left {
                Condition::Sound => {
                    let idle = Idle::new(connection, &self.connector);
                    exclusive.keep(idle, &self.connector.address);
                }
                Condition::Broken => self.connector.count_failure(),
                Condition::Misled => {}
            }
            let is_stale = !fresh && left != Condition::Sound;
            if !is_stale || !may_be_repeated(lines, &result) {
                return result.map_err(TransportError::Broken);
            }
        }
    }
}
