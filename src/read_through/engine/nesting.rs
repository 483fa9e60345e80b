//! Nested loads: loaders that read through caches themselves.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use super::entry_location::EntryLocation;
use super::single_flight::FlightId;
use crate::lock::Lock;

/// The loads that wait for the running code, from the innermost on. Empty outside of loaders.
#[derive(Clone, Default)]
pub(crate) struct Nesting(Option<Arc<Level>>);

/// One level of a nesting.
struct Level {
    around: Nesting,
    cause: WaitCause,
}

/// A reason why the outer code waits for the inner one.
enum WaitCause {
    /// Loads that end no sooner than the running code.
    Loads(Vec<FlightId>),
    /// Values that a loader of this cache was called for.
    Loader(CacheId, Vec<EntryLocation>),
}

/// Identifies a cache, including its clones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheId(pub(crate) usize);

/// How a loader may get a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NestedAccess {
    /// Like any other caller.
    Free,
    /// Only by loading it itself: the bulk loader around it was called for the value.
    Alone,
    /// Not at all: the loader around it was called for this value alone.
    Never,
}

// The nesting of the code that runs on this thread.
thread_local! {
    static CURRENT: RefCell<Nesting> = RefCell::default();
}

/// The loads that loaders wait for.
static WAITS: Lock<Vec<(Nesting, FlightId)>> = Lock::new(Vec::new());

impl Nesting {
    /// Returns the nesting of the loader that calls this; empty outside of loaders.
    pub(crate) fn current() -> Self {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Adds a level for loads that end no sooner than the code within.
    pub(crate) fn with_flights(&self, flights: Vec<FlightId>) -> Self {
        self.with(WaitCause::Loads(flights))
    }

    /// Adds a level for the call of a loader.
    pub(crate) fn with_loader(&self, cache: CacheId, locations: &[EntryLocation]) -> Self {
        self.with(WaitCause::Loader(cache, locations.to_vec()))
    }

    fn with(&self, cause: WaitCause) -> Self {
        Self(Some(Arc::new(Level { around: self.clone(), cause })))
    }

    /// Runs `inner` within this nesting.
    pub(crate) async fn around<T>(self, inner: impl Future<Output = T>) -> T {
        let mut inner = pin!(inner);
        poll_fn(move |context| {
            let _restored = Restored(CURRENT.replace(self.clone()));
            inner.as_mut().poll(context)
        })
        .await
    }

    /// Returns how this code may get a value of `cache`.
    pub(crate) fn access(&self, cache: CacheId, location: &EntryLocation) -> NestedAccess {
        let asked = |cause: &WaitCause| match cause {
            WaitCause::Loader(of, locations) if *of == cache && locations.contains(location) => {
                Some(locations.len())
            }
            _ => None,
        };
        let mut access = NestedAccess::Free;
        for asked in self.causes().filter_map(asked) {
            if asked == 1 {
                return NestedAccess::Never;
            }
            access = NestedAccess::Alone;
        }
        access
    }

    /// Records that the loaders wait for `flight`. Returns `None` if `flight` waits for one of
    /// them.
    pub(crate) fn wait_for(&self, flight: FlightId) -> Option<WaitGuard> {
        if self.0.is_none() {
            return Some(WaitGuard(None));
        }
        let mut waits = WAITS.lock();
        let mut reached = vec![flight];
        let mut next = 0;
        while let Some(&flight) = reached.get(next) {
            if self.has(flight) {
                return None;
            }
            let further = waits.iter().filter(|(nesting, _)| nesting.has(flight));
            let further = further.map(|(_, flight)| *flight).collect::<Vec<_>>();
            further.into_iter().for_each(|flight| {
                if !reached.contains(&flight) {
                    reached.push(flight);
                }
            });
            next += 1;
        }
        waits.push((self.clone(), flight));
        Some(WaitGuard(Some((self.clone(), flight))))
    }

    /// Returns whether `flight` ends no sooner than this code.
    fn has(&self, flight: FlightId) -> bool {
        self.causes().any(|cause| matches!(cause, WaitCause::Loads(all) if all.contains(&flight)))
    }

    /// Returns the causes of all levels, from the innermost on.
    fn causes(&self) -> impl Iterator<Item = &WaitCause> {
        std::iter::successors(self.0.as_deref(), |level| level.around.0.as_deref())
            .map(|level| &level.cause)
    }
}

/// Records a wait of loaders for a load, until it is dropped.
pub(crate) struct WaitGuard(Option<(Nesting, FlightId)>);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        let Some((Nesting(Some(level)), flight)) = &self.0 else { return };
        let is_this = |(nesting, of): &(Nesting, FlightId)| {
            of == flight && nesting.0.as_ref().is_some_and(|other| Arc::ptr_eq(other, level))
        };
        let mut waits = WAITS.lock();
        if let Some(at) = waits.iter().position(is_this) {
            waits.swap_remove(at);
        }
    }
}

/// Restores the previous nesting when it is dropped.
struct Restored(Nesting);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_location::Names;
    use super::*;

    #[test]
    fn a_loader_does_not_wait_for_itself() {
        let [one, other] = ["1", "2"].map(|id| Names::Own.string(b"c:", id.into()).unwrap());
        let (cache, copy) = (CacheId(1), CacheId(2));
        let outside = Nesting::default();
        let bulk = outside.with_loader(cache, &[one.clone(), other.clone()]);
        let alone = bulk.with_flights(Vec::new()).with_loader(cache, std::slice::from_ref(&one));
        for (nesting, cache, location, access) in [
            (&outside, cache, &one, NestedAccess::Free),
            (&bulk, cache, &one, NestedAccess::Alone),
            (&bulk, copy, &one, NestedAccess::Free),
            (&alone, cache, &one, NestedAccess::Never),
            (&alone, cache, &other, NestedAccess::Alone),
        ] {
            assert_eq!(nesting.access(cache, location), access);
        }
    }

    #[test]
    fn waits_form_no_cycle() {
        // Of no other test in this program.
        let [a, b, c] = [1, 2, 3].map(FlightId);
        let [of_a, of_b, of_c] =
            [a, b, c].map(|flight| Nesting::default().with_flights(vec![flight]));
        assert!(of_a.wait_for(a).is_none());
        let first = of_a.wait_for(b).unwrap();
        let _second = of_b.wait_for(c).unwrap();
        assert!(of_c.wait_for(a).is_none(), "a waits for b, which waits for c");
        assert!(of_c.wait_for(b).is_none(), "b waits for c");
        drop(first);
        assert!(of_c.wait_for(a).is_some());
        assert!(Nesting::default().wait_for(a).is_some());
    }
}
