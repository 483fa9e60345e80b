//! Loads under way in this program, which callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry_location::EntryLocation;
use super::failures::Failures;
use crate::error::Error;
use crate::error::LoadError;
use crate::time::Completion;

/// Loads under way, and those that failed a short while ago.
pub(crate) struct SingleFlight<V> {
    table: Mutex<Table<V>>,
}

struct Table<V> {
    flights: HashMap<EntryLocation, Flight<V>>,
    failures: Failures<Arc<Completion<Outcome<V>>>>,
}

struct Flight<V> {
    completion: Arc<Completion<Outcome<V>>>,
    stage: Stage,
}

/// What a load is known by while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlightId(pub(crate) usize);

impl FlightId {
    pub(crate) fn of<T>(completion: &Arc<Completion<T>>) -> Self {
        Self(Arc::as_ptr(completion).addr())
    }
}

/// How far a load has come.
#[derive(Clone, Copy)]
enum Stage {
    /// It will begin some time. A caller who cannot wait for that begins another one in its place.
    Queued,
    /// Callers join it. It has been sealed so often.
    Open(u64),
    /// It has begun without a lease: nothing would show whether it is newer than what a caller
    /// knows that comes now, and such callers share the one after it.
    Departed,
}

/// Which of the callers that joined a load may have what it found: those who did so before it was
/// sealed so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seal(u64);

impl Seal {
    /// None of them: meanwhile somebody may have deleted or set the value.
    pub(crate) const NOBODY: Self = Self(0);
    /// All of them: it was closed in time.
    pub(crate) const ALL: Self = Self(u64::MAX);
}

/// What came of a load.
pub(crate) enum Outcome<V> {
    /// A value, or that there is none, for whoever led the load and those whom the seal allows.
    Found(Option<Arc<V>>, Seal),
    Failed(LoadError),
    /// Something else went wrong, which is told to whoever takes it first.
    Broken(Arc<Mutex<Option<Error>>>),
    /// It was given up.
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

/// What a caller is to do who has not found a value.
pub(crate) enum Role<V> {
    /// Load it, for others too.
    Leader(Leader<V>),
    /// Wait for another caller.
    Follower(Arc<Completion<Outcome<V>>>, Joined),
}

/// When a caller joined a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined(u64);

impl Joined {
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

    /// Puts a load of `location` into a queue, unless there is one, or one is under way or has just
    /// failed.
    pub(crate) fn queue(self: &Arc<Self>, location: &EntryLocation) -> Option<Leader<V>> {
        let mut table = self.lock();
        let is_idle = !table.flights.contains_key(location)
            && table.failures.get(location, Instant::now()).is_none();
        is_idle.then(|| self.insert(&mut table.flights, location, Stage::Queued, None))
    }

    /// Begins a load of `location`, which those who come later join.
    pub(crate) fn begin_anew(self: &Arc<Self>, location: &EntryLocation) -> Leader<V> {
        self.insert(&mut self.lock().flights, location, Stage::Open(0), None)
    }

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

    /// Lets those who come from now on begin anew, of what is `chosen`.
    pub(crate) fn forget(&self, chosen: impl Fn(&EntryLocation) -> bool) {
        let mut table = self.lock();
        table.flights.retain(|location, _| !chosen(location));
        table.failures.retain(|location| !chosen(location));
    }

    /// The same for one value.
    pub(crate) fn forget_one(&self, location: &EntryLocation) {
        let mut table = self.lock();
        table.flights.remove(location);
        table.failures.remove(location);
    }

    fn lock(&self) -> MutexGuard<'_, Table<V>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who loads a value. Dropped without an outcome it keeps nobody waiting.
pub(crate) struct Leader<V> {
    flights: Arc<SingleFlight<V>>,
    pub(crate) location: EntryLocation,
    completion: Arc<Completion<Outcome<V>>>,
    /// A load that has departed, and was under way when this one began.
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

    /// Tells those who have joined from those who come later. To be called before the server is
    /// asked what it has: who comes later may know of something newer.
    pub(crate) fn seal(&self) -> Seal {
        let mut table = self.flights.lock();
        match self.own(&mut table).map(|flight| &mut flight.stage) {
            Some(Stage::Open(seals)) => {
                *seals += 1;
                Seal(*seals)
            }
            // Nobody can have joined since it was replaced, removed or departed.
            _ => Seal::ALL,
        }
    }

    /// Lets those who come from now on begin anew. To be called before the server says that the
    /// value is the newest: who comes later may know of a newer one.
    pub(crate) fn close(&self) {
        self.remove(&mut self.flights.lock());
    }

    /// Lets those who come from now on share the next load. To be called before the loader is,
    /// where the server will say nothing of the value.
    pub(crate) fn depart(&self) {
        if let Some(own) = self.own(&mut self.flights.lock()) {
            own.stage = Stage::Departed;
        }
    }

    /// Says what came of the load.
    pub(crate) fn land(self, outcome: Outcome<V>) {
        self.close();
        self.completion.complete(outcome);
    }

    /// Says that the load failed, and lets it be known for `time`.
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

    pub(crate) fn break_off(self, error: Error) {
        self.land(Outcome::Broken(Arc::new(Mutex::new(Some(error)))));
    }

    /// Removes this load, unless it was replaced or removed.
    fn remove(&self, table: &mut Table<V>) -> bool {
        let is_own = self.own(table).is_some();
        if is_own {
            table.flights.remove(&self.location);
        }
        is_own
    }

    /// This load, unless it was replaced or removed.
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
