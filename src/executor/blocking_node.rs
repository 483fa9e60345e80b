use std::future::ready;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::{RedisResult, Value};

use super::client::finish;
use super::connection::Connector;
use super::fault::{Fault, Outcome};
use super::listener::listen;
use super::node::{Node, Watch, repeatable};
use super::pool::{Lease, Pool, PoolSettings};
use super::retry::Deadline;
use super::signal::Signal;
use super::speech::Ears;
use super::waiting::Waiting;
use crate::protocol::Line;

/// A server to which each call has a connection of its own for as long as it takes.
pub(crate) struct BlockingNode {
    connector: Connector,
    pool: Pool,
    waiting: Waiting,
}

impl Node for BlockingNode {
    type Settings = PoolSettings;

    fn new(connector: Connector, settings: &PoolSettings) -> Self {
        Self { connector, pool: Pool::new(settings), waiting: Waiting::default() }
    }

    fn connector(&self) -> &Connector {
        &self.connector
    }

    fn call(
        &self,
        line: Line<'_>,
        _deadline: Deadline,
    ) -> impl Future<Output = Outcome<Value>> + Send {
        ready(self.send(&[line]).and_then(|sent| sent.finish(receive)))
    }

    fn call_many(
        &self,
        lines: &[Line<'_>],
        _deadline: Deadline,
    ) -> impl Future<Output = Outcome<Vec<Value>>> + Send {
        let (sent, replies) = (self.send(lines), lines.len());
        async move { sent?.finish(|connection| (0..replies).map(|_| receive(connection)).collect()) }
    }

    fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        watch: &dyn Watch,
    ) -> impl Future<Output = Outcome<Value>> + Send {
        ready(self.waiting.wait(&self.connector, lines, slice, watch))
    }

    fn pause(time: Duration) -> impl Future<Output = ()> + Send {
        thread::sleep(time);
        ready(())
    }

    fn distrust(&self) {
        self.connector.count_failure();
    }

    type Listening = ();

    fn listen(
        &self,
        lines: &[Line<'_>],
        ears: Arc<dyn Ears>,
        silence: Duration,
        deadline: Deadline,
    ) -> impl Future<Output = Outcome<((), Vec<Value>)>> + Send {
        ready(listen(&self.connector, lines, ears, silence, deadline).map(|replies| ((), replies)))
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

impl BlockingNode {
    fn send(&self, lines: &[Line<'_>]) -> Outcome<Sent<'_>> {
        let packed = pack(lines);
        let mut lease = self.pool.lend(&self.connector)?;
        let result = lease.connection().send_packed_command(&packed);
        Ok(Sent { lease, packed, repeatable: repeatable(lines), result })
    }
}

/// Commands that were sent and whose replies have not been read.
struct Sent<'a> {
    lease: Lease<'a>,
    packed: Vec<u8>,
    repeatable: bool,
    result: RedisResult<()>,
}

impl Sent<'_> {
    /// What `receive` reads. What may be repeated is, once, if the connection was stale.
    fn finish<T>(
        mut self,
        receive: impl Fn(&mut redis::Connection) -> RedisResult<T>,
    ) -> Outcome<T> {
        let mut result = self.result.and_then(|()| receive(self.lease.connection()));
        if let Err(error) = &result
            && self.repeatable
            && !self.lease.fresh
            && !error.is_timeout()
        {
            self.lease = self.lease.renew()?;
            let connection = self.lease.connection();
            let sent = connection.send_packed_command(&self.packed);
            result = sent.and_then(|()| receive(connection));
        }
        self.lease.finish(result.is_ok());
        result.map_err(Fault::Broken)
    }
}

/// All commands in one piece.
pub(super) fn pack(lines: &[Line<'_>]) -> Vec<u8> {
    let mut packed = Vec::new();
    lines.iter().for_each(|line| line.pack(&mut packed));
    packed
}

/// The next reply.
pub(super) fn receive(connection: &mut redis::Connection) -> RedisResult<Value> {
    loop {
        match connection.recv_response()? {
            Value::Push { .. } => {}
            reply => return Ok(reply),
        }
    }
}
