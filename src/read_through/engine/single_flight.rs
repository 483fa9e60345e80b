//! Single-flight: loads in flight in this program, which callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry_location::EntryLocation;
use super::failures::Failures;
use crate::error::Error;
use crate::error::LoadError;
use crate::time::Completion;

/// Loads in flight, and those that failed recently. Shared by the clones of a cache.
pub(crate) struct SingleFlight<V> {
    table: Mutex<Table<V>>,
}

/// At most one load of a value, which callers find by its location.
struct Table<V> {
    flights: HashMap<EntryLocation, Flight<V>>,
    failures: Failures<Arc<Completion<Outcome<V>>>>,
}

/// A load in the table, with its progress.
struct Flight<V> {
    completion: Arc<Completion<Outcome<V>>>,
    stage: Stage,
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
enum Stage {
    /// Not yet begun. A caller that cannot wait for it begins another one in its place.
    Queued,
    /// Open to followers. It has been sealed this often.
    Open(u64),
    /// Begun without a lease: it cannot be shown to be newer than a value that a later caller knows
    /// of. Later callers share the next load.
    Departed,
}

/// Which followers may receive the value of a load: those that joined before it was sealed this
/// often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seal(u64);

impl Seal {
    /// None of them: the value may have been deleted or set meanwhile.
    pub(crate) const NOBODY: Self = Self(0);
    /// All of them: the load was closed in time.
    pub(crate) const ALL: Self = Self(u64::MAX);
}

/// The outcome of a load.
pub(crate) enum Outcome<V> {
    /// A value, or its absence, for the leader and the followers that the seal permits.
    Found(Option<Arc<V>>, Seal),
    Failed(LoadError),
    /// Another error, returned to the first caller that takes it.
    Broken(Arc<Mutex<Option<Error>>>),
    /// The load was given up.
    Lost,
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        match self {
            Outcome::Found(found, seal) => Outcome::Found(found.clone(), *seal),
            Outcome::Failed(error) => Outcome::Failed(error.clone()),
            Outcome::Broken(error) => Outcome::Broken(error.clone()),
            Outcome::Lost => Outcome::Lost,
        }
    }
}

/// What to do on a miss.
pub(crate) enum Role<V> {
    /// Load the value, for the followers too.
    Leader(Leader<V>),
    /// Wait for the leader.
    Follower(Arc<Completion<Outcome<V>>>, Joined),
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
        Self { table: Mutex::new(Table { flights, failures }) }
    }

    /// Joins the load of `location`, or begins one.
    pub(crate) fn begin(self: &Arc<Self>, location: &EntryLocation) -> Role<V> {
        let mut table = self.lock();
        let before = match table.flights.get(location) {
            Some(Flight { completion, stage: Stage::Open(seals) }) => {
                return Role::Follower(completion.clone(), Joined(*seals));
            }
            Some(Flight { completion, stage: Stage::Departed }) => Some(completion.clone()),
            Some(Flight { stage: Stage::Queued, .. }) => None,
            None => match table.failures.get(location, Instant::now()) {
                Some(failed) => return Role::Follower(failed.clone(), Joined(0)),
                None => None,
            },
        };
        Role::Leader(self.insert(&mut table.flights, location, Stage::Open(0), before))
    }

    /// Queues a load of `location`, unless one is queued, in flight or has just failed.
    pub(crate) fn queue(self: &Arc<Self>, location: &EntryLocation) -> Option<Leader<V>> {
        let mut table = self.lock();
        let is_idle = !table.flights.contains_key(location)
            && table.failures.get(location, Instant::now()).is_none();
        is_idle.then(|| self.insert(&mut table.flights, location, Stage::Queued, None))
    }

    /// Begins a load of `location`, which later callers join.
    pub(crate) fn begin_anew(self: &Arc<Self>, location: &EntryLocation) -> Leader<V> {
        self.insert(&mut self.lock().flights, location, Stage::Open(0), None)
    }

    /// Adds a load to the table, in place of any other one of the same value.
    fn insert(
        self: &Arc<Self>,
        flights: &mut HashMap<EntryLocation, Flight<V>>,
        location: &EntryLocation,
        stage: Stage,
        before: Option<Arc<Completion<Outcome<V>>>>,
    ) -> Leader<V> {
        let completion = Arc::new(Completion::new());
        let flight = Flight { completion: completion.clone(), stage };
        flights.insert(location.clone(), flight);
        Leader { flights: self.clone(), location: location.clone(), completion, before }
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

    fn lock(&self) -> MutexGuard<'_, Table<V>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leader of a load. Dropped without an outcome it releases its followers.
pub(crate) struct Leader<V> {
    flights: Arc<SingleFlight<V>>,
    pub(crate) location: EntryLocation,
    completion: Arc<Completion<Outcome<V>>>,
    /// A departed load that was in flight when this one began.
    pub(crate) before: Option<Arc<Completion<Outcome<V>>>>,
}

impl<V> Leader<V> {
    pub(crate) fn completion(&self) -> Arc<Completion<Outcome<V>>> {
        self.completion.clone()
    }

    /// Takes a load from its queue, unless the value was loaded, set or deleted meanwhile.
    pub(crate) fn start(&self) -> bool {
        let mut table = self.flights.lock();
        let own = self.own(&mut table).filter(|own| matches!(own.stage, Stage::Queued));
        own.map(|own| own.stage = Stage::Open(0)).is_some()
    }

    pub(crate) fn id(&self) -> FlightId {
        FlightId::of(&self.completion)
    }

    /// Separates the present followers from later ones. Must be called before the server is asked
    /// for the value: later callers may know of a newer one.
    pub(crate) fn seal(&self) -> Seal {
        let mut table = self.flights.lock();
        match self.own(&mut table).map(|flight| &mut flight.stage) {
            Some(Stage::Open(seals)) => {
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
            own.stage = Stage::Departed;
        }
    }

    /// Completes the load with `outcome`.
    pub(crate) fn land(self, outcome: Outcome<V>) {
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
        self.completion.complete(Outcome::Failed(error));
    }

    /// Completes the load with an error that only one caller receives.
    pub(crate) fn break_off(self, error: Error) {
        self.land(Outcome::Broken(Arc::new(Mutex::new(Some(error)))));
    }

    /// Removes this load from the table, unless it was replaced or removed.
    fn remove(&self, table: &mut Table<V>) -> bool {
        let is_own = self.own(table).is_some();
        if is_own {
            table.flights.remove(&self.location);
        }
        is_own
    }

    /// Returns this load, unless it was replaced or removed.
    fn own<'a>(&self, table: &'a mut Table<V>) -> Option<&'a mut Flight<V>> {
        table.flights.get_mut(&self.location).filter(|flight| self.is_of(flight))
    }

    fn is_of(&self, flight: &Flight<V>) -> bool {
        Arc::ptr_eq(&flight.completion, &self.completion)
    }
}

impl<V> Drop for Leader<V> {
    fn drop(&mut self) {
        if !self.completion.is_complete() {
            self.close();
            self.completion.complete(Outcome::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_location::Names;
    use super::*;

    #[test]
    fn nobody_joins_a_load_that_is_closed_or_has_landed() {
        let flights = Arc::new(SingleFlight::<u64>::new());
        let location = Names::Own.string(b"c:", b"1".to_vec()).unwrap();
        for end in
            [Leader::close as fn(&Leader<u64>), |lead| lead.flights.forget_one(&lead.location)]
        {
            let Role::Leader(first) = flights.begin(&location) else { panic!("it has landed") };
            assert!(matches!(flights.begin(&location), Role::Follower(..)));
            end(&first);
            let Role::Leader(second) = flights.begin(&location) else { panic!("it is closed") };
            first.land(Outcome::Lost);
            assert!(
                matches!(flights.begin(&location), Role::Follower(..)),
                "the second is under way"
            );
            second.land(Outcome::Lost);
        }
    }
}
