//! Tests of when a call is over, without I/O.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::Wake;

use super::*;
use crate::time::Wait;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Polls a call without a reply, then calls `what`, and polls it again.
fn after(what: impl FnOnce(&Outstanding)) -> (usize, Poll<RedisResult<()>>) {
    let outstanding = Outstanding::many(4 * SECOND, SECOND);
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    let call = pin!(pending());
    let mut call = pin!(outstanding.reply(call, Deadline::after(Wait::Forever)));
    assert!(call.as_mut().poll(&mut context).is_pending());
    what(&outstanding);
    let reply = call.poll(&mut context);
    (woken.0.load(Ordering::SeqCst), reply)
}

#[test]
fn a_call_ends_with_its_connection() {
    let (woken, reply) = after(Outstanding::end);
    assert!(matches!(reply, Poll::Ready(Err(error)) if error.is_connection_dropped()));
    assert_eq!(woken, 1);
    let outstanding = Outstanding::one();
    outstanding.end();
    let call = pin!(pending::<RedisResult<()>>());
    let call = pin!(outstanding.reply(call, Deadline::after(Wait::Forever)));
    let late = call.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(late, Poll::Ready(Err(_))), "it began to wait afterwards");
}

#[test]
fn a_call_ends_after_a_silence_and_progress_extends_it() {
    let tick = |outstanding: &Outstanding, progress: &mut u64, times: usize| {
        (0..times).for_each(|_| outstanding.tick(progress));
    };
    for (name, ticks_before, ticks_after, over) in [
        ("it may have begun just before the first tick", 0, 4, false),
        ("silence", 0, 5, true),
        ("progress", 4, 4, false),
        ("silence after progress", 4, 5, true),
    ] {
        let (woken, reply) = after(|outstanding| {
            let mut progress = 0;
            tick(outstanding, &mut progress, ticks_before);
            if ticks_before > 0 {
                outstanding.count_progress();
                tick(outstanding, &mut progress, 1);
                tick(outstanding, &mut progress, ticks_after - 1);
            } else {
                tick(outstanding, &mut progress, ticks_after);
            }
        });
        let timed_out = matches!(reply, Poll::Ready(Err(error)) if error.is_timeout());
        assert_eq!((timed_out, woken > 0), (over, over), "{name}");
    }
}

#[test]
fn a_call_ends_at_its_deadline_in_spite_of_progress() {
    let outstanding = Outstanding::many(4 * SECOND, SECOND);
    let call = pin!(pending::<RedisResult<()>>());
    let mut call = pin!(outstanding.reply(call, Deadline::after(Wait::For(Duration::ZERO))));
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    assert!(call.as_mut().poll(&mut context).is_pending());
    outstanding.count_progress();
    outstanding.tick(&mut 0);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    let reply = call.poll(&mut context);
    assert!(matches!(reply, Poll::Ready(Err(error)) if error.is_timeout()));
}

#[test]
fn a_reply_that_came_before_the_end_counts() {
    let outstanding = Outstanding::one();
    outstanding.end();
    let mut polls = 0;
    let call = pin!(poll_fn(|_| {
        polls += 1;
        if polls == 1 { Poll::Pending } else { Poll::Ready(Ok(7)) }
    }));
    let call = pin!(outstanding.reply(call, Deadline::after(Wait::Forever)));
    let reply = call.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(reply, Poll::Ready(Ok(7))));
}
