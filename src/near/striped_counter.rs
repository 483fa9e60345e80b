//! A counter for frequent updates by many threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::lock::Lock;

/// A counter in stripes, so that threads do not contend for a cache line.
#[derive(Default)]
pub(crate) struct StripedCounter {
    stripes: Box<[Stripe; STRIPES]>,
    rest: AtomicU64,
}

/// A counter on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl StripedCounter {
    #[inline]
    pub(crate) fn raise(&self) {
        let own = OWN.try_with(|own| own.0.and_then(|own| self.stripes.get(own)));
        match own.ok().flatten() {
            // No other thread writes here.
            Some(stripe) => stripe.0.store(stripe.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            None => drop(self.rest.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        let stripes = self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed));
        stripes.sum::<u64>() + self.rest.load(Ordering::Relaxed)
    }
}

thread_local! {
    static OWN: OwnStripe = OwnStripe::claim();
}

/// The stripe that belongs to a thread, until the thread ends.
struct OwnStripe(Option<usize>);

impl OwnStripe {
    /// Claims a free stripe for this thread, if there is one.
    fn claim() -> Self {
        let free = FREE.lock().pop();
        let new = || Some(NEXT.fetch_add(1, Ordering::Relaxed)).filter(|&next| next < STRIPES);
        Self(free.or_else(new))
    }
}

impl Drop for OwnStripe {
    fn drop(&mut self) {
        if let Some(own) = self.0 {
            FREE.lock().push(own);
        }
    }
}

/// Stripes whose threads have ended. The lock makes their last counts visible to the next thread.
static FREE: Lock<Vec<usize>> = Lock::new(Vec::new());
static NEXT: AtomicUsize = AtomicUsize::new(0);

const STRIPES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_more_threads_count_than_there_are_stripes() {
        let counter = StripedCounter::default();
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..STRIPES + 20 {
                    scope.spawn(|| (0..1000).for_each(|_| counter.raise()));
                }
            });
        }
        assert_eq!(counter.count(), 2 * 1000 * (STRIPES as u64 + 20));
    }
}
