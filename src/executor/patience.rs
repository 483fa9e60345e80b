//! A limit for how long async calls wait for their replies.
//!
//! A timer for each call costs a tenth of what a busy client can do. Here calls leave their wakers, and
//! one task looks now and then for those that have waited too long.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redis::RedisResult;
use slab::Slab;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::connection::timed_out;

/// The calls that wait for replies, and the task that watches them.
pub(crate) struct Patience {
    waiting: Arc<Waiting>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Waiting {
    shards: [Shard; SHARDS],
    /// How often the task has looked.
    looks: AtomicU32,
}

/// The calls that began to wait on one thread, apart from the others in the processor's caches.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Slab<Call>>);

struct Call {
    waker: Waker,
    /// How often the task had looked when the call began.
    since: u32,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { waiting: Arc::default(), task: Mutex::default() }
    }

    /// Makes sure that the calls are watched, in the runtime in which this is called. One may take
    /// `limit` or up to a quarter more.
    pub(crate) fn watch(&self, limit: Duration) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            let waiting = self.waiting.clone();
            let watching = async move {
                loop {
                    tokio::time::sleep(limit / LOOKS).await;
                    waiting.look();
                }
            };
            *task = Some(runtime.spawn(watching).abort_handle());
        }
    }

    /// What `call` comes to, or an error if it takes too long.
    pub(crate) async fn limit<T>(
        &self,
        mut call: Pin<&mut impl Future<Output = RedisResult<T>>>,
    ) -> RedisResult<T> {
        let since = self.waiting.looks.load(Ordering::Relaxed);
        let mut turn = Turn { waiting: &self.waiting, since, place: None };
        let reply = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Pending if turn.is_over(context) => Poll::Ready(Err(timed_out())),
            reply => reply,
        });
        reply.await
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.take().inspect(AbortHandle::abort);
    }
}

impl Waiting {
    fn look(&self) {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for shard in &self.shards {
            let calls = shard.lock();
            let over = calls.iter().filter(|(_, call)| is_over(call.since, looks));
            over.for_each(|(_, call)| call.waker.wake_by_ref());
        }
    }
}

/// A call's place among those that wait.
struct Turn<'a> {
    waiting: &'a Waiting,
    since: u32,
    place: Option<Place>,
}

struct Place {
    shard: usize,
    key: usize,
    /// Which task is woken.
    task: usize,
}

impl Turn<'_> {
    /// Whether the call, which has to go on waiting, has waited too long. If not, its task is woken
    /// when it has.
    fn is_over(&mut self, context: &Context<'_>) -> bool {
        let (waker, since) = (context.waker(), self.since);
        match &mut self.place {
            None => {
                let shard = SHARD.with(|shard| *shard);
                let call = Call { waker: waker.clone(), since };
                let key = self.waiting.shards[shard].lock().insert(call);
                self.place = Some(Place { shard, key, task: waker.data().addr() });
            }
            Some(place) if place.task != waker.data().addr() => {
                place.task = waker.data().addr();
                if let Some(call) = self.waiting.shards[place.shard].lock().get_mut(place.key) {
                    call.waker.clone_from(waker);
                }
            }
            Some(_) => {}
        }
        is_over(since, self.waiting.looks.load(Ordering::Relaxed))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.waiting.shards[place.shard].lock().try_remove(place.key);
        }
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Slab<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first look may come at once.
fn is_over(since: u32, looks: u32) -> bool {
    looks.wrapping_sub(since) > LOOKS
}

thread_local! {
    static SHARD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

const SHARDS: usize = 16;
const LOOKS: u32 = 4;
