//! The queue between the source of events and their reader.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(feature = "async")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A bounded queue. On overflow its content is replaced by one mark.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

/// The content of a queue, and its waiting reader.
struct State<T> {
    items: VecDeque<T>,
    waker: Option<Waker>,
    /// Replaces the items once no more are to come.
    end: Option<fn() -> T>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), waker: None, end: None };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Closes the queue: after its content, `end` is returned again and again.
    pub(crate) fn end(&self, end: fn() -> T) {
        let mut state = self.lock();
        state.end = Some(end);
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Appends an item, or replaces everything by `mark` if there are too many.
    pub(crate) fn push(&self, item: T, mark: impl FnOnce() -> T) {
        let waker = {
            let mut state = self.lock();
            if state.items.len() >= CAPACITY {
                state.items.clear();
                state.items.push_back(mark());
            } else {
                state.items.push_back(item);
            }
            state.waker.take()
        };
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns the next item, blocking for ever, or for `time` if given.
    pub(crate) fn wait(&self, time: Option<Duration>) -> Option<T> {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let mut state = self.lock();
        loop {
            if let Some(item) = state.next() {
                return Some(item);
            }
            state = match deadline.map(|end| end.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    let waited = self.arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Returns the next item, or registers the task to be woken.
    #[cfg(feature = "async")]
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        match state.next() {
            Some(item) => Poll::Ready(item),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn next(&mut self) -> Option<T> {
        self.items.pop_front().or_else(|| self.end.map(|end| end()))
    }
}

/// The number of events that may wait for a program that does not take them.
const CAPACITY: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflowing_queue_is_replaced_by_one_gap() {
        let queue = Queue::new();
        for item in 0..CAPACITY {
            queue.push(item, || unreachable!("there is room"));
        }
        queue.push(CAPACITY, || usize::MAX);
        queue.push(7, || unreachable!("there is room"));
        assert_eq!((queue.wait(None), queue.wait(None)), (Some(usize::MAX), Some(7)));
        assert_eq!(queue.wait(Some(Duration::ZERO)), None);
    }
}
