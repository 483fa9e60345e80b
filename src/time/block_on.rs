//! Futures on a blocking thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::deadline::Deadline;
use super::wait::Wait;

/// Finishes a conversation of a [`Client`](crate::Client). Its sends are complete when they return,
/// so it never suspends and one poll finishes it.
pub(crate) fn finish<T>(conversation: impl Future<Output = T>) -> T {
    match pin!(conversation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a blocking client never suspends"),
    }
}

/// Blocks until `event` is ready, at most for `time`. The event must not need this thread.
pub(crate) fn block_on<T>(event: impl Future<Output = T>, time: Duration) -> Option<T> {
    /// Wakes a blocked thread.
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut event = pin!(event);
    let deadline = Deadline::after(Wait::For(time));
    loop {
        match event.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if deadline.is_over() => return None,
            Poll::Pending => thread::park_timeout(deadline.left()),
        }
    }
}
