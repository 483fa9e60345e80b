//! The calls that wait for replies on one connection. None waits longer than the connection lives,
//! longer than it may be silent, or beyond its own deadline.
//!
//! A timer for each call would cost a tenth of the throughput of a busy client. Instead calls
//! register their wakers, and one task wakes periodically those that are over.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult};
use slab::Slab;
use tokio::time::timeout;

use crate::connection::connector::timed_out;
use crate::lock::Lock;
use crate::time::Deadline;
use crate::time::Wait;

/// The calls that wait on one connection, and the state of the connection.
pub(crate) struct Outstanding {
    shards: Box<[CallShard]>,
    has_ended: AtomicBool,
    /// Counts the signs that the other end is alive: bytes that arrived, or that were sent after
    /// the socket had refused them.
    progress: AtomicU64,
    opened: Instant,
    /// How many microseconds after `opened` a call began or bytes arrived last, within one
    /// millisecond.
    last_use: AtomicU64,
    /// How many ticks of the watcher there were.
    ticks: AtomicU32,
    /// How many ticks there had been when the latest progress was made.
    ticks_at_progress: AtomicU32,
    /// How many ticks without progress are too long a silence.
    max_ticks: u32,
}

/// The calls that began to wait on one thread, on a cache line of their own.
#[derive(Default)]
#[repr(align(64))]
struct CallShard(Lock<Slab<Call>>);

/// A call that waits for its reply.
struct Call {
    waker: Waker,
    /// How many ticks there had been when the call began.
    since: u32,
    deadline: Deadline,
}

/// Why a call that has no reply is over.
enum CallEnd {
    TooLate,
    Lost,
}

impl Outstanding {
    /// The calls on a shared connection, which may be silent for `silence`. A tick is due every
    /// `pause`.
    pub(crate) fn many(silence: Duration, pause: Duration) -> Self {
        let max_ticks = silence.as_nanos().div_ceil(pause.as_nanos().max(1));
        Self::new(SHARDS, u32::try_from(max_ticks).unwrap_or(u32::MAX / 2))
    }

    /// The calls on a connection that has one at a time, whose caller watches the time.
    pub(crate) fn one() -> Self {
        Self::new(1, u32::MAX / 2)
    }

    fn new(shards: usize, max_ticks: u32) -> Self {
        let shards = (0..shards).map(|_| CallShard::default()).collect();
        Self {
            shards,
            has_ended: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            opened: Instant::now(),
            last_use: AtomicU64::new(0),
            ticks: AtomicU32::new(0),
            ticks_at_progress: AtomicU32::new(0),
            max_ticks,
        }
    }

    /// Returns whether the connection is known to have ended, so that nothing that is sent can
    /// arrive.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Ends all calls. A call that is not registered yet checks afterwards whether it must wait.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        for shard in &self.shards {
            shard.lock().iter().for_each(|(_, call)| call.waker.wake_by_ref());
        }
    }

    pub(crate) fn count_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that bytes have arrived.
    pub(crate) fn count_arrival(&self) {
        self.count_progress();
        self.count_use();
    }

    /// Records that a call begins, or that bytes have arrived.
    pub(crate) fn count_use(&self) {
        self.used_at(self.now());
    }

    /// Returns whether the last use was less than `time` ago. If so, this counts as a use.
    pub(crate) fn is_used_again_within(&self, time: Duration) -> bool {
        let now = self.now();
        let last_use = self.last_use.load(Ordering::Relaxed);
        let is_recent = u128::from(now.saturating_sub(last_use)) < time.as_micros();
        if is_recent {
            self.used_at(now);
        }
        is_recent
    }

    /// Threads that share the connection would write to the same cache line with each call.
    fn used_at(&self, time: u64) {
        if time > self.last_use.load(Ordering::Relaxed).saturating_add(PRECISION) {
            self.last_use.store(time, Ordering::Relaxed);
        }
    }

    /// How many microseconds the connection has been open.
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Returns the outcome of a step that needs the other end. Fails once that has been silent for
    /// `limit` meanwhile, which is noticed up to a quarter of that time late.
    pub(crate) async fn unless_silent<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = T>,
    ) -> RedisResult<T> {
        let mut step = pin!(step);
        let mut progress = self.progress();
        let mut due = Deadline::after(Wait::For(limit));
        loop {
            match timeout(due.left().min(limit / TICKS_PER_LIMIT), step.as_mut()).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) if self.progress() != progress => {
                    progress = self.progress();
                    due = Deadline::after(Wait::For(limit));
                }
                Err(_) if due.is_over() => return Err(timed_out()),
                Err(_) => {}
            }
        }
    }

    /// Ticks every `pause`, for ever.
    pub(crate) async fn watch(&self, pause: Duration) {
        let mut progress = 0;
        loop {
            tokio::time::sleep(pause).await;
            self.tick(&mut progress);
        }
    }

    /// Counts a tick, and wakes the calls that are over.
    fn tick(&self, progress: &mut u64) {
        let before = self.ticks.fetch_add(1, Ordering::Relaxed);
        if *progress != self.progress() {
            *progress = self.progress();
            self.ticks_at_progress.store(before, Ordering::Relaxed);
        }
        for shard in &self.shards {
            let calls = shard.lock();
            let over = calls
                .iter()
                .filter(|(_, call)| self.is_silent_since(call.since) || call.deadline.is_over());
            over.for_each(|(_, call)| call.waker.wake_by_ref());
        }
    }

    /// Returns whether the connection has been silent for too long, with a call waiting since the
    /// tick `since`. The first tick after that may have come immediately.
    fn is_silent_since(&self, since: u32) -> bool {
        let ticks = self.ticks.load(Ordering::Relaxed);
        let is_over = |since: u32| ticks.wrapping_sub(since) > self.max_ticks;
        is_over(since) && is_over(self.ticks_at_progress.load(Ordering::Relaxed))
    }

    /// Waits for the result of `call`. Fails once its connection has ended or was silent for too
    /// long, or its deadline is over.
    pub(crate) async fn reply<T>(
        &self,
        mut call: Pin<&mut impl Future<Output = RedisResult<T>>>,
        deadline: Deadline,
    ) -> RedisResult<T> {
        let since = self.ticks.load(Ordering::Relaxed);
        let mut waiting = WaitingCall { outstanding: self, since, deadline, slot: None };
        let reply = poll_fn(|context| {
            let reply = call.as_mut().poll(context);
            if reply.is_ready() {
                return reply;
            }
            match waiting.end(context) {
                None => Poll::Pending,
                Some(CallEnd::TooLate) => Poll::Ready(Err(timed_out())),
                // The reply may have arrived just before the end.
                Some(CallEnd::Lost) => match call.as_mut().poll(context) {
                    Poll::Pending => Poll::Ready(Err(ended())),
                    reply => reply,
                },
            }
        });
        reply.await
    }
}

/// The place of a call among those that wait.
struct WaitingCall<'a> {
    outstanding: &'a Outstanding,
    since: u32,
    deadline: Deadline,
    slot: Option<CallSlot>,
}

/// Where a call is registered.
struct CallSlot {
    shard: usize,
    key: usize,
    /// The task to wake.
    task: usize,
}

impl WaitingCall<'_> {
    /// Returns why the call, which has no reply yet, need not wait any longer. If it must wait, its
    /// task is woken when that changes.
    fn end(&mut self, context: &Context<'_>) -> Option<CallEnd> {
        let outstanding = self.outstanding;
        let (waker, since, deadline) = (context.waker(), self.since, self.deadline);
        let is_over = match &mut self.slot {
            None => {
                let shard = SHARD.with(|shard| *shard) % outstanding.shards.len();
                let call = Call { waker: waker.clone(), since, deadline };
                let key = outstanding.shards[shard].lock().insert(call);
                self.slot = Some(CallSlot { shard, key, task: waker.data().addr() });
                false
            }
            Some(slot) => {
                if slot.task != waker.data().addr() {
                    slot.task = waker.data().addr();
                    if let Some(call) = outstanding.shards[slot.shard].lock().get_mut(slot.key) {
                        call.waker.clone_from(waker);
                    }
                }
                outstanding.is_silent_since(since) || deadline.is_over()
            }
        };
        // The order matters: the end of the connection wakes only registered calls.
        if outstanding.has_ended() {
            return Some(CallEnd::Lost);
        }
        is_over.then_some(CallEnd::TooLate)
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            self.outstanding.shards[slot.shard].lock().try_remove(slot.key);
        }
    }
}

impl CallShard {
    fn lock(&self) -> MutexGuard<'_, Slab<Call>> {
        self.0.lock()
    }
}

/// The error of calls on a connection that has ended.
fn ended() -> RedisError {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection has ended").into()
}

thread_local! {
    static SHARD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

const SHARDS: usize = 16;

/// How many microseconds a recorded use may be too early.
const PRECISION: u64 = 1000;

/// How many ticks there are within the shortest limit: a call takes up to a quarter longer.
pub(crate) const TICKS_PER_LIMIT: u32 = 4;

#[cfg(test)]
mod tests;
