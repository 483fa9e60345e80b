//! Calls on a lane whose connection does what its commands say.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::*;
use crate::connection::blocking::shared::transport::Transport;
use crate::connection::connector::timed_out;
use crate::connection::stream::Limits;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::lock::Lock;
use crate::time::Wait;
use redis::{RedisResult, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Commands of one byte. All others are answered with their own number.
const PANIC: u8 = 250;
const BREAK: u8 = 251;
/// The reply comes once the time of a leader is over that has little.
const LATE: u8 = 252;
/// The reply comes when the test says so.
const GATE: u8 = 253;

/// What all connections of a test share.
struct Server {
    opened: AtomicUsize,
    sent: Lock<Vec<u8>>,
    at_the_gate: AtomicUsize,
    gate: Lock<Receiver<()>>,
    refuses: Lock<bool>,
}

static SERVERS: Lock<Vec<(String, Arc<Server>)>> = Lock::new(Vec::new());

/// A connection that answers each byte.
struct Stub {
    server: Arc<Server>,
    pending: VecDeque<u8>,
    deadline: Deadline,
}

impl Transport for Stub {
    type Idle = Stub;

    fn usable(
        idle: Option<Stub>,
        connector: &Connector,
        limits: Limits,
        _: &Arc<AtomicU64>,
    ) -> TransportResult<(Self, bool)> {
        if let Some(idle) = idle {
            assert!(idle.pending.is_empty(), "it rested with replies to come");
            return Ok((idle, false));
        }
        let servers = SERVERS.lock();
        let server = servers.iter().find(|(address, _)| *address == connector.address);
        let server = server.expect("the server of the test").1.clone();
        drop(servers);
        server.opened.fetch_add(1, Ordering::SeqCst);
        if *server.refuses.lock() {
            server.at_the_gate.fetch_add(1, Ordering::SeqCst);
            let _ = server.gate.lock().recv();
            return Err(TransportError::connect("nowhere", io::Error::other("refused")));
        }
        Ok((Stub { server, pending: VecDeque::new(), deadline: limits.deadline }, true))
    }

    fn into_idle(self, _: &Connector) -> Stub {
        self
    }

    fn generation(&self) -> usize {
        0
    }

    fn limit(&mut self, limits: Limits) {
        self.deadline = limits.deadline;
    }

    fn send(&mut self, packed: &[u8]) -> RedisResult<()> {
        self.server.sent.lock().extend(packed);
        self.pending.extend(packed);
        Ok(())
    }

    fn receive(&mut self) -> RedisResult<Value> {
        let command = *self.pending.front().expect("a reply for each command");
        match command {
            PANIC => panic!("as the command says"),
            BREAK => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            LATE if !self.deadline.is_over() && self.deadline.left() < LONG / 2 => {
                thread::sleep(self.deadline.left());
                return Err(timed_out());
            }
            GATE => {
                self.server.at_the_gate.fetch_add(1, Ordering::SeqCst);
                let _ = self.server.gate.lock().recv();
            }
            _ => {}
        }
        self.pending.pop_front();
        Ok(Value::Int(command.into()))
    }
}

/// A lane to a server of its own.
struct Setting {
    lane: Lane<Stub>,
    connector: Connector,
    server: Arc<Server>,
    open_gate: Sender<()>,
}

impl Setting {
    fn new(name: &str) -> Self {
        let mut connector = Connector::new(&format!("redis://{name}")).unwrap();
        (connector.connect_timeout, connector.response_timeout) = (LONG, LONG);
        let (open_gate, gate) = channel();
        let server = Arc::new(Server {
            opened: AtomicUsize::new(0),
            sent: Lock::default(),
            at_the_gate: AtomicUsize::new(0),
            gate: Lock::new(gate),
            refuses: Lock::new(false),
        });
        SERVERS.lock().push((connector.address.clone(), server.clone()));
        Self { lane: Lane::new(), connector, server, open_gate }
    }

    fn call(&self, command: u8, time: Duration) -> Result<Vec<Value>, TransportError> {
        let deadline = Deadline::after(Wait::For(time));
        let exchanged = self.lane.exchange(&self.connector, vec![command], 1, deadline);
        exchanged.map(|it| it.replies.into_vec()).map_err(|failed| failed.fault)
    }

    /// Waits until a leader waits for the gate.
    fn wait_for_leader(&self) {
        while self.server.at_the_gate.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    }

    /// Waits until as many calls wait for the leader.
    fn wait_for_waiting(&self, calls: usize) {
        while self.lane.waiting() < calls {
            thread::yield_now();
        }
    }
}

fn is_reply(result: &Result<Vec<Value>, TransportError>, command: u8) -> bool {
    matches!(result, Ok(replies) if *replies == [Value::Int(command.into())])
}

/// Returns whether the call waited in vain for the connection, for at least `time`.
fn is_exhausted(result: &Result<Vec<Value>, TransportError>, time: Duration) -> bool {
    matches!(result, Err(TransportError::Exhausted { waited, .. }) if *waited >= time)
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn each_caller_gets_its_own_replies() {
    let setting = Setting::new("own");
    thread::scope(|scope| {
        for caller in 0..16u8 {
            let setting = &setting;
            scope.spawn(move || {
                for _ in 0..500 {
                    let deadline = Deadline::after(Wait::For(LONG));
                    let expected = 1 + usize::from(caller) % 3;
                    let packed = vec![caller; expected];
                    let exchanged =
                        setting.lane.exchange(&setting.connector, packed, expected, deadline);
                    let replies = exchanged.unwrap().replies.into_vec();
                    assert_eq!(replies, vec![Value::Int(caller.into()); expected]);
                }
            });
        }
    });
    assert_eq!(setting.server.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn calls_that_wait_for_the_same_leader_travel_together() {
    let setting = Setting::new("together");
    thread::scope(|scope| {
        let leader = scope.spawn(|| setting.call(GATE, LONG));
        setting.wait_for_leader();
        let callers: Vec<_> = (0..8)
            .map(|id| {
                scope.spawn({
                    let setting = &setting;
                    move || assert!(is_reply(&setting.call(id, LONG), id))
                })
            })
            .collect();
        setting.wait_for_waiting(8);
        setting.open_gate.send(()).unwrap();
        assert!(is_reply(&leader.join().unwrap(), GATE));
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    assert_eq!(setting.server.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn a_broken_connection_fails_its_batch_and_no_other_call() {
    for (name, command) in [("broken", BREAK), ("panic", PANIC)] {
        let setting = Setting::new(name);
        thread::scope(|scope| {
            let leader = scope.spawn(|| setting.call(GATE, LONG));
            setting.wait_for_leader();
            // Those that wait now are the next batch, of which the first leads.
            let breaking =
                scope.spawn(|| catch_unwind(AssertUnwindSafe(|| setting.call(command, LONG))));
            setting.wait_for_waiting(1);
            let behind = scope.spawn(|| setting.call(1, LONG));
            setting.wait_for_waiting(2);
            setting.open_gate.send(()).unwrap();
            assert!(is_reply(&leader.join().unwrap(), GATE));
            let breaking = breaking.join().unwrap();
            assert_eq!(breaking.is_err(), command == PANIC, "{name}");
            assert!(matches!(breaking, Err(_) | Ok(Err(TransportError::Broken(_)))), "{name}");
            let behind = behind.join().unwrap();
            assert!(matches!(&behind, Err(TransportError::Broken(error)) if !error.is_timeout()));
            assert!(is_reply(&setting.call(2, LONG), 2), "{name}");
        });
        assert_eq!(setting.server.opened.load(Ordering::SeqCst), 2, "{name}");
    }
}

#[test]
fn a_leader_whose_time_is_over_leaves_the_rest_to_the_others() {
    let setting = Setting::new("late");
    thread::scope(|scope| {
        let leader = scope.spawn(|| setting.call(GATE, LONG));
        setting.wait_for_leader();
        let late = scope.spawn(|| setting.call(LATE, 10 * SHORT));
        setting.wait_for_waiting(1);
        let behind = scope.spawn(|| setting.call(1, LONG));
        setting.wait_for_waiting(2);
        setting.open_gate.send(()).unwrap();
        assert!(is_reply(&leader.join().unwrap(), GATE));
        let late = late.join().unwrap();
        assert!(matches!(&late, Err(TransportError::Broken(error)) if error.is_timeout()));
        assert!(is_reply(&behind.join().unwrap(), 1));
    });
    assert_eq!(setting.server.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn a_call_that_was_not_sent_fails_as_such_and_never_is() {
    let setting = Setting::new("unsent");
    thread::scope(|scope| {
        let leader = scope.spawn(|| setting.call(GATE, LONG));
        setting.wait_for_leader();
        // One that leaves at the head of those that wait, and one behind another call.
        assert!(is_exhausted(&setting.call(6, SHORT), SHORT));
        let next = scope.spawn(|| setting.call(7, LONG));
        setting.wait_for_waiting(2);
        assert!(is_exhausted(&setting.call(8, SHORT), SHORT));
        setting.open_gate.send(()).unwrap();
        assert!(is_reply(&leader.join().unwrap(), GATE));
        assert!(is_reply(&next.join().unwrap(), 7));
        assert!(is_reply(&setting.call(9, LONG), 9));
        // One that leads without any time left.
        assert!(is_exhausted(&setting.call(10, Duration::ZERO), Duration::ZERO));
    });
    assert_eq!(*setting.server.sent.lock(), [GATE, 7, 9]);
}

#[test]
fn a_leader_that_makes_no_progress_loses_the_lead() {
    let mut setting = Setting::new("stalled");
    (setting.connector.connect_timeout, setting.connector.response_timeout) = (SHORT, SHORT);
    thread::scope(|scope| {
        let leader = scope.spawn(|| setting.call(GATE, LONG));
        setting.wait_for_leader();
        assert!(is_reply(&setting.call(1, LONG), 1), "while the leader is stopped");
        setting.open_gate.send(()).unwrap();
        assert!(is_reply(&leader.join().unwrap(), GATE), "its connection still serves it");
        assert!(is_reply(&setting.call(2, LONG), 2));
    });
    assert_eq!(setting.server.opened.load(Ordering::SeqCst), 2);
}

#[test]
fn without_a_server_callers_that_wait_fail_together() {
    let setting = Setting::new("refused");
    *setting.server.refuses.lock() = true;
    thread::scope(|scope| {
        let leader = scope.spawn(|| setting.call(1, LONG));
        setting.wait_for_leader();
        let callers: Vec<_> = (2..6)
            .map(|id| {
                scope.spawn({
                    let setting = &setting;
                    move || setting.call(id, LONG)
                })
            })
            .collect();
        setting.wait_for_waiting(4);
        setting.open_gate.send(()).unwrap();
        for caller in callers.into_iter().chain([leader]) {
            let failed = caller.join().unwrap();
            assert!(matches!(failed, Err(TransportError::Connect { .. })));
        }
    });
    assert_eq!(setting.server.opened.load(Ordering::SeqCst), 1);
    assert!(setting.server.sent.lock().is_empty());
}
