//! A limit for how long async calls wait for their replies.
//!
//! A timer for each call costs a tenth of what a busy client can do. Here calls leave their wakers, and
//! one task looks now and then for those that have waited too long.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The calls that wait for replies, and the task that watches them.
pub(crate) struct Patience {
    shards: Arc<[Shard; SHARDS]>,
    task: Mutex<Option<AbortHandle>>,
}

/// The calls that began to wait on one thread, apart from the others in the processor's caches.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Slab<Waiting>>);

struct Waiting {
    waker: Waker,
    /// How often the task has seen it.
    seen: u32,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { shards: Arc::default(), task: Mutex::default() }
    }

    /// Makes sure that the calls are watched, in the runtime in which this is called. One may take
    /// `limit` or up to a quarter more.
    pub(crate) fn watch(&self, limit: Duration) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            let shards = self.shards.clone();
            let watching = async move {
                loop {
                    tokio::time::sleep(limit / LOOKS).await;
                    shards.iter().for_each(Shard::look);
                }
            };
            *task = Some(runtime.spawn(watching).abort_handle());
        }
    }

    /// For a call that begins.
    pub(crate) fn begin(&self) -> Turn<'_> {
        Turn { shards: &self.shards, place: None }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.take().inspect(AbortHandle::abort);
    }
}

/// A call's place among those that wait.
pub(crate) struct Turn<'a> {
    shards: &'a [Shard; SHARDS],
    place: Option<(usize, usize)>,
}

impl Turn<'_> {
    /// Whether the call, which has to go on waiting, has waited too long. If not, its task is woken
    /// when it has.
    pub(crate) fn is_over(&mut self, context: &Context<'_>) -> bool {
        let Some((shard, key)) = self.place else {
            let shard = SHARD.with(|shard| *shard);
            let waiting = Waiting { waker: context.waker().clone(), seen: 0 };
            self.place = Some((shard, self.shards[shard].lock().insert(waiting)));
            return false;
        };
        let mut calls = self.shards[shard].lock();
        calls.get_mut(key).is_none_or(|waiting| {
            waiting.waker.clone_from(context.waker());
            waiting.seen > LOOKS
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((shard, key)) = self.place {
            self.shards[shard].lock().try_remove(key);
        }
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Slab<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        for (_, waiting) in &mut *self.lock() {
            waiting.seen += 1;
            if waiting.seen > LOOKS {
                waiting.waker.wake_by_ref();
            }
        }
    }
}

thread_local! {
    static SHARD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

const SHARDS: usize = 16;
const LOOKS: u32 = 4;
