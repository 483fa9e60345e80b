//! What the caller that leads does for all: it sends their commands and receives their replies.

use std::io;
use std::mem;

use redis::RedisResult;

use super::call::{Caller, ConnectionKind};
use super::lane::Lane;
use super::transport::Transport;
use super::turn::{Busy, Turn};
use crate::connection::connector::{Connector, timed_out};
use crate::connection::transport_error::TransportError;
use crate::reply::ends_connection;
use crate::time::Deadline;

/// The lead, which goes to the next caller when this is dropped.
pub(super) struct Lead<'a, T: Transport> {
    lane: &'a Lane<T>,
    connector: &'a Connector,
    turn: Option<Box<Turn<T>>>,
    /// Whether this is dropped by a panic, after which the state of the connection is unknown.
    is_interrupted: bool,
}

impl<'a, T: Transport> Lead<'a, T> {
    pub(super) fn new(lane: &'a Lane<T>, connector: &'a Connector, turn: Box<Turn<T>>) -> Self {
        Self { lane, connector, turn: Some(turn), is_interrupted: true }
    }

    /// Sends a batch, unless one is in flight, and receives its replies. A caller whose time is
    /// over leaves the rest to the others.
    pub(super) fn run(mut self, caller: &Caller<Box<Turn<T>>>, deadline: Deadline) {
        if let Some(turn) = &mut self.turn {
            let sent = match &mut turn.busy {
                Some(busy) => {
                    busy.transport.limit(self.connector.limits(deadline));
                    Ok(())
                }
                None => turn.begin(self.lane, self.connector, deadline),
            };
            match sent.map(|()| turn.receive_all(self.lane)) {
                Ok(Ok(())) => turn.rest(self.connector),
                Ok(Err(error)) if error.is_timeout() && deadline.is_over() => {
                    // If it has its outcome already, it need not leave.
                    let _ = caller.leave();
                }
                Ok(Err(error)) | Err(error) => turn.break_off(self.connector, error),
            }
        }
        self.is_interrupted = false;
    }
}

impl<T: Transport> Turn<T> {
    /// Sends the first call together with those that wait. Without a connection all of them fail.
    fn begin(
        &mut self,
        lane: &Lane<T>,
        connector: &Connector,
        deadline: Deadline,
    ) -> RedisResult<()> {
        let Some(first) = self.first.take() else { return Ok(()) };
        if deadline.is_over() {
            first.fail(first.caller.exhausted(connector), false);
            return Ok(());
        }
        // A server that was silent has half of the time to accept a new connection.
        let limits = connector.limits(deadline);
        let limits = if self.is_silent { limits.halved() } else { limits };
        let usable = T::usable(self.idle.take(), connector, limits, lane.progress());
        let (transport, fresh) = match usable {
            Ok(usable) => usable,
            Err(fault) => {
                lane.reach.fail();
                // This caller may only have had too little time.
                if !deadline.is_over() {
                    lane.take_waiting(self.number, usize::MAX, &mut self.calls);
                    self.calls.drain(..).for_each(|call| call.fail(fault.clone(), false));
                }
                first.fail(fault, false);
                return Ok(());
            }
        };
        if deadline.is_over() {
            self.idle = Some(transport.into_idle(connector));
            first.fail(TransportError::connect(&connector.address, timed_out()), false);
            return Ok(());
        }
        self.is_silent = false;
        let kind = ConnectionKind { fresh, generation: transport.generation() };
        let busy = self.busy.insert(Busy { transport, kind, is_ending: false });
        let room = LARGEST_BATCH.saturating_sub(first.packed.len());
        self.calls.push_back(first);
        lane.take_waiting(self.number, room, &mut self.calls);
        self.calls.retain(|call| call.caller.send());
        busy.transport.limit(connector.limits(deadline));
        match self.calls.make_contiguous() {
            [only] => busy.transport.send(&mem::take(&mut only.packed)),
            calls => {
                self.buffer.clear();
                for call in calls {
                    self.buffer.extend_from_slice(&mem::take(&mut call.packed));
                }
                busy.transport.send(&self.buffer)
            }
        }
    }

    /// Receives the replies of the calls in flight.
    fn receive_all(&mut self, lane: &Lane<T>) -> RedisResult<()> {
        let Some(busy) = &mut self.busy else { return Ok(()) };
        while let Some(call) = self.calls.front_mut() {
            let reply = busy.transport.receive()?;
            busy.is_ending |= ends_connection(&reply);
            lane.count_progress();
            if call.add(reply)
                && let Some(call) = self.calls.pop_front()
            {
                call.succeed(busy.kind);
            }
        }
        Ok(())
    }

    /// Lets the connection rest, with nothing in flight.
    fn rest(&mut self, connector: &Connector) {
        match self.busy.take() {
            Some(busy) if busy.is_ending => connector.count_failure(),
            Some(busy) => self.idle = Some(busy.transport.into_idle(connector)),
            None => {}
        }
        if self.buffer.capacity() > LARGEST_BATCH {
            self.buffer = Vec::new();
        }
    }
}

impl<T: Transport> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        if let Some(mut turn) = self.turn.take() {
            if self.is_interrupted {
                turn.break_off(self.connector, io::Error::other(INTERRUPTED).into());
            }
            self.lane.pass_on(turn, self.connector);
        }
    }
}

/// More commands wait for the next batch, so that one batch delays none for long.
const LARGEST_BATCH: usize = 256 * 1024;

const INTERRUPTED: &str = "the thread that received for several calls panicked";
