//! Single-flight: loads in flight in this program, which callers share.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::entry_location::EntryLocation;
use super::failures::Failures;
use crate::error::Error;
use crate::error::LoadError;
use crate::lock::Lock;
use crate::time::Completion;

/// Loads in flight, and those that failed recently. Shared by the clones of a cache.
pub(crate) struct SingleFlight<V> {
    table: Lock<FlightTable<V>>,
}

/// At most one load of a value, which callers find by its location.
struct FlightTable<V> {
    flights: HashMap<EntryLocation, Flight<V>>,
    failures: Failures<Arc<Completion<LoadOutcome<V>>>>,
}

/// A load in the table, with its progress.
struct Flight<V> {
    completion: Arc<Completion<LoadOutcome<V>>>,
    stage: FlightStage,
}

/// Identifies a load while it is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlightId(pub(crate) usize);

impl FlightId {
    pub(crate) fn of<T>(completion: &Arc<Completion<T>>) -> Self {
        Self(Arc::as_ptr(completion).addr())
    }
}

/// The progress of a load.
#[derive(Clone, Copy)]
enum FlightStage {
    /// Not yet begun. A caller that misses the value begins its own in its place.
    Queued,
    /// Open to followers, and sealed this number of times.
    Open(u64),
    /// Begun without a lease: it cannot be shown to be newer than a value that a later caller knows
    /// of. Later callers share the next load.
    Departed,
}

/// Which followers may receive the value of a load: those that joined before it was sealed this
/// number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seal(u64);

impl Seal {
    /// None of them: the value may have been deleted or set meanwhile.
    pub(crate) const NONE: Self = Self(0);
    /// All of them: the load was closed in time.
    pub(crate) const ALL: Self = Self(u64::MAX);
}

/// The outcome of a load.
pub(crate) enum LoadOutcome<V> {
    /// A value, or its absence, for the leader and the followers that the seal permits.
    Found(Option<Arc<V>>, Seal),
    Failed(LoadError),
    /// Another error, returned to the first caller that takes it.
    Broken(Arc<Lock<Option<Error>>>),
    /// The load was given up.
    Lost,
}

impl<V> Clone for LoadOutcome<V> {
    fn clone(&self) -> Self {
        match self {
            LoadOutcome::Found(found, seal) => LoadOutcome::Found(found.clone(), *seal),
            LoadOutcome::Failed(error) => LoadOutcome::Failed(error.clone()),
            LoadOutcome::Broken(error) => LoadOutcome::Broken(error.clone()),
            LoadOutcome::Lost => LoadOutcome::Lost,
        }
    }
}

/// The role of a caller that missed.
pub(crate) enum LoadRole<V> {
    /// Load the value, for the followers too.
    Leader(LoadLeader<V>),
    /// Wait for the leader.
    Follower(Arc<Completion<LoadOutcome<V>>>, Joined),
}

/// When a follower joined a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined(u64);

impl Joined {
    /// Returns whether the follower joined before the seal, and may receive the value.
    pub(crate) fn is_before(self, seal: Seal) -> bool {
        self.0 < seal.0
    }
}

impl<V> SingleFlight<V> {
    pub(crate) fn new() -> Self {
        let (flights, failures) = (HashMap::new(), Failures::new());
        Self { table: Lock::new(FlightTable { flights, failures }) }
    }

    /// Joins the load of `location`, or begins one.
    pub(crate) fn begin(self: &Arc<Self>, location: &EntryLocation) -> LoadRole<V> {
        let mut table = self.lock();
        let before = match table.flights.get(location) {
            Some(Flight { completion, stage: FlightStage::Open(seals) }) => {
                return LoadRole::Follower(completion.clone(), Joined(*seals));
            }
            Some(Flight { completion, stage: FlightStage::Departed }) => Some(completion.clone()),
            Some(Flight { stage: FlightStage::Queued, .. }) => None,
            None => match table.failures.get(location, Instant::now()) {
                Some(failed) => return LoadRole::Follower(failed.clone(), Joined(0)),
                None => None,
            },
        };
        LoadRole::Leader(self.insert(&mut table.flights, location, FlightStage::Open(0), before))
    }

    /// Queues a load of `location`, unless one is queued, in flight or has just failed.
    pub(crate) fn queue(self: &Arc<Self>, location: &EntryLocation) -> Option<LoadLeader<V>> {
        let mut table = self.lock();
        let is_idle = !table.flights.contains_key(location)
            && table.failures.get(location, Instant::now()).is_none();
        is_idle.then(|| self.insert(&mut table.flights, location, FlightStage::Queued, None))
    }

    /// Begins a load of `location`, which later callers join.
    pub(crate) fn begin_anew(self: &Arc<Self>, location: &EntryLocation) -> LoadLeader<V> {
        self.insert(&mut self.lock().flights, location, FlightStage::Open(0), None)
    }

    /// Adds a load to the table, in place of any other one of the same value.
    fn insert(
        self: &Arc<Self>,
        flights: &mut HashMap<EntryLocation, Flight<V>>,
        location: &EntryLocation,
        stage: FlightStage,
        before: Option<Arc<Completion<LoadOutcome<V>>>>,
    ) -> LoadLeader<V> {
        let completion = Arc::new(Completion::new());
        let flight = Flight { completion: completion.clone(), stage };
        flights.insert(location.clone(), flight);
        LoadLeader { flights: self.clone(), location: location.clone(), completion, before }
    }

    /// Makes later callers begin new loads of the `chosen` values.
    pub(crate) fn forget(&self, chosen: impl Fn(&EntryLocation) -> bool) {
        let mut table = self.lock();
        table.flights.retain(|location, _| !chosen(location));
        table.failures.retain(|location| !chosen(location));
    }

    /// Like [`forget`](Self::forget), for one value.
    pub(crate) fn forget_one(&self, location: &EntryLocation) {
        let mut table = self.lock();
        table.flights.remove(location);
        table.failures.remove(location);
    }

    fn lock(&self) -> MutexGuard<'_, FlightTable<V>> {
        self.table.lock()
    }
}

/// The leader of a load. Dropped without an outcome it releases its followers.
pub(crate) struct LoadLeader<V> {
    flights: Arc<SingleFlight<V>>,
    pub(crate) location: EntryLocation,
    completion: Arc<Completion<LoadOutcome<V>>>,
    /// A departed load that was in flight when this one began.
    pub(crate) before: Option<Arc<Completion<LoadOutcome<V>>>>,
}

impl<V> LoadLeader<V> {
    pub(crate) fn completion(&self) -> Arc<Completion<LoadOutcome<V>>> {
        self.completion.clone()
    }

    /// Begins a queued load. Returns false if the value was loaded, set or deleted meanwhile.
    pub(crate) fn start(&self) -> bool {
        let mut table = self.flights.lock();
        let own = self.own(&mut table).filter(|own| matches!(own.stage, FlightStage::Queued));
        own.map(|own| own.stage = FlightStage::Open(0)).is_some()
    }

    pub(crate) fn id(&self) -> FlightId {
        FlightId::of(&self.completion)
    }

    /// Separates the present followers from later ones. Must be called before the server is asked
    /// for the value: later callers may know of a newer one.
    pub(crate) fn seal(&self) -> Seal {
        let mut table = self.flights.lock();
        match self.own(&mut table).map(|flight| &mut flight.stage) {
            Some(FlightStage::Open(seals)) => {
                *seals += 1;
                Seal(*seals)
            }
            // No caller can have joined since it was replaced, removed or departed.
            _ => Seal::ALL,
        }
    }

    /// Makes later callers begin a new load. Must be called before the server confirms that the
    /// value is the newest: later callers may know of a newer one.
    pub(crate) fn close(&self) {
        self.remove(&mut self.flights.lock());
    }

    /// Makes later callers share the next load. Must be called before the loader, if the server
    /// will not confirm the value.
    pub(crate) fn depart(&self) {
        if let Some(own) = self.own(&mut self.flights.lock()) {
            own.stage = FlightStage::Departed;
        }
    }

    /// Completes the load with `outcome`.
    pub(crate) fn complete(self, outcome: LoadOutcome<V>) {
        self.close();
        self.completion.complete(outcome);
    }

    /// Completes the load with an error, which is remembered for `time`.
    pub(crate) fn fail(self, error: LoadError, time: Duration) {
        let now = Instant::now();
        let until = now.checked_add(time).filter(|until| *until > now);
        let mut table = self.flights.lock();
        if self.remove(&mut table)
            && let Some(until) = until
        {
            let failure = (self.completion.clone(), error.bytes());
            table.failures.insert(self.location.clone(), failure, now, until);
        }
        drop(table);
        self.completion.complete(LoadOutcome::Failed(error));
    }

    /// Completes the load with an error that only one caller receives.
    pub(crate) fn break_off(self, error: Error) {
        self.complete(LoadOutcome::Broken(Arc::new(Lock::new(Some(error)))));
    }

    /// Removes this load from the table, unless it was replaced or removed.
    fn remove(&self, table: &mut FlightTable<V>) -> bool {
        let is_own = self.own(table).is_some();
        if is_own {
            table.flights.remove(&self.location);
        }
        is_own
    }

    /// Returns this load, unless it was replaced or removed.
    fn own<'a>(&self, table: &'a mut FlightTable<V>) -> Option<&'a mut Flight<V>> {
        table.flights.get_mut(&self.location).filter(|flight| self.is_of(flight))
    }

    fn is_of(&self, flight: &Flight<V>) -> bool {
        Arc::ptr_eq(&flight.completion, &self.completion)
    }
}

impl<V> Drop for LoadLeader<V> {
    fn drop(&mut self) {
        if !self.completion.is_complete() {
            self.close();
            self.completion.complete(LoadOutcome::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_location::Names;
    use super::*;

    #[test]
    fn no_caller_joins_a_load_that_is_closed_or_complete() {
        let flights = Arc::new(SingleFlight::<u64>::new());
        let location = Names::Own.string(b"c:", b"1".to_vec()).unwrap();
        for end in [LoadLeader::close as fn(&LoadLeader<u64>), |leader| {
            leader.flights.forget_one(&leader.location)
        }] {
            let LoadRole::Leader(first) = flights.begin(&location) else {
                panic!("it is complete")
            };
            assert!(matches!(flights.begin(&location), LoadRole::Follower(..)));
            end(&first);
            let LoadRole::Leader(second) = flights.begin(&location) else { panic!("it is closed") };
            first.complete(LoadOutcome::Lost);
            assert!(
                matches!(flights.begin(&location), LoadRole::Follower(..)),
                "the second is under way"
            );
            second.complete(LoadOutcome::Lost);
        }
    }
}
