//! Loads under way in this program, which callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::failures::Failures;
use super::spot::Spot;
use crate::error::Error;
use crate::landing::Landing;
use crate::load_error::LoadError;

/// Loads under way, and those that failed a short while ago.
pub(super) struct Flights<V> {
    table: Mutex<Table<V>>,
}

struct Table<V> {
    flights: HashMap<Spot, Flight<V>>,
    failures: Failures<Arc<Landing<Outcome<V>>>>,
}

struct Flight<V> {
    landing: Arc<Landing<Outcome<V>>>,
    stage: Stage,
}

/// What a load is known by while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlightId(pub(super) usize);

impl FlightId {
    pub(super) fn of<T>(landing: &Arc<Landing<T>>) -> Self {
        Self(Arc::as_ptr(landing).addr())
    }
}

/// How far a load has come.
#[derive(Clone, Copy)]
enum Stage {
    /// It will begin some time. A caller who cannot wait for that begins another one in its place.
    Queued,
    /// Callers join it. It has been sealed so often.
    Open(u64),
    /// It has begun without a lease: nothing would show whether it is newer than what a caller knows
    /// that comes now, and such callers share the one after it.
    Departed,
}

/// Which of the callers that joined a load may have what it found: those who did so before it was
/// sealed so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seal(u64);

impl Seal {
    /// None of them: meanwhile somebody may have deleted or set the value.
    pub(super) const NOBODY: Self = Self(0);
    /// All of them: it was closed in time.
    pub(super) const ALL: Self = Self(u64::MAX);
}

/// What came of a load.
pub(super) enum Outcome<V> {
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
pub(super) enum Start<V> {
    /// Load it, for others too.
    Leads(Lead<V>),
    /// Wait for another caller.
    Joins(Arc<Landing<Outcome<V>>>, Joined),
}

/// When a caller joined a load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joined(u64);

impl Joined {
    pub(super) fn is_before(self, seal: Seal) -> bool {
        self.0 < seal.0
    }
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        let (flights, failures) = (HashMap::new(), Failures::new());
        Self { table: Mutex::new(Table { flights, failures }) }
    }

    /// Joins the load of `spot`, or begins one.
    pub(super) fn begin(self: &Arc<Self>, spot: &Spot) -> Start<V> {
        let mut table = self.lock();
        let before = match table.flights.get(spot) {
            Some(Flight { landing, stage: Stage::Open(seals) }) => {
                return Start::Joins(landing.clone(), Joined(*seals));
            }
            Some(Flight { landing, stage: Stage::Departed }) => Some(landing.clone()),
            Some(Flight { stage: Stage::Queued, .. }) => None,
            None => match table.failures.get(spot, Instant::now()) {
                Some(failed) => return Start::Joins(failed.clone(), Joined(0)),
                None => None,
            },
        };
        Start::Leads(self.insert(&mut table.flights, spot, Stage::Open(0), before))
    }

    /// Puts a load of `spot` into a queue, unless there is one, or one is under way or has just failed.
    pub(super) fn queue(self: &Arc<Self>, spot: &Spot) -> Option<Lead<V>> {
        let mut table = self.lock();
        let is_idle =
            !table.flights.contains_key(spot) && table.failures.get(spot, Instant::now()).is_none();
        is_idle.then(|| self.insert(&mut table.flights, spot, Stage::Queued, None))
    }

    /// Begins a load of `spot`, which those who come later join.
    pub(super) fn begin_anew(self: &Arc<Self>, spot: &Spot) -> Lead<V> {
        self.insert(&mut self.lock().flights, spot, Stage::Open(0), None)
    }

    fn insert(
        self: &Arc<Self>,
        flights: &mut HashMap<Spot, Flight<V>>,
        spot: &Spot,
        stage: Stage,
        before: Option<Arc<Landing<Outcome<V>>>>,
    ) -> Lead<V> {
        let landing = Arc::new(Landing::new());
        let flight = Flight { landing: landing.clone(), stage };
        flights.insert(spot.clone(), flight);
        Lead { flights: self.clone(), spot: spot.clone(), landing, before }
    }

    /// Lets those who come from now on begin anew, of what is `chosen`.
    pub(super) fn forget(&self, chosen: impl Fn(&Spot) -> bool) {
        let mut table = self.lock();
        table.flights.retain(|spot, _| !chosen(spot));
        table.failures.retain(|spot| !chosen(spot));
    }

    /// The same for one value.
    pub(super) fn forget_one(&self, spot: &Spot) {
        let mut table = self.lock();
        table.flights.remove(spot);
        table.failures.remove(spot);
    }

    fn lock(&self) -> MutexGuard<'_, Table<V>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who loads a value. Dropped without an outcome it keeps nobody waiting.
pub(super) struct Lead<V> {
    flights: Arc<Flights<V>>,
    pub(super) spot: Spot,
    landing: Arc<Landing<Outcome<V>>>,
    /// A load that has departed, and was under way when this one began.
    pub(super) before: Option<Arc<Landing<Outcome<V>>>>,
}

impl<V> Lead<V> {
    pub(super) fn landing(&self) -> Arc<Landing<Outcome<V>>> {
        self.landing.clone()
    }

    /// Takes a load from its queue, unless the value was loaded, set or deleted meanwhile.
    pub(super) fn start(&self) -> bool {
        let mut table = self.flights.lock();
        let own = self.own(&mut table).filter(|own| matches!(own.stage, Stage::Queued));
        own.map(|own| own.stage = Stage::Open(0)).is_some()
    }

    pub(super) fn id(&self) -> FlightId {
        FlightId::of(&self.landing)
    }

    /// Tells those who have joined from those who come later. To be called before the server is asked
    /// what it has: who comes later may know of something newer.
    pub(super) fn seal(&self) -> Seal {
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

    /// Lets those who come from now on begin anew. To be called before the server says that the value
    /// is the newest: who comes later may know of a newer one.
    pub(super) fn close(&self) {
        self.remove(&mut self.flights.lock());
    }

    /// Lets those who come from now on share the next load. To be called before the loader is, where
    /// the server will say nothing of the value.
    pub(super) fn depart(&self) {
        if let Some(own) = self.own(&mut self.flights.lock()) {
            own.stage = Stage::Departed;
        }
    }

    /// Says what came of the load.
    pub(super) fn land(self, outcome: Outcome<V>) {
        self.close();
        self.landing.tell(outcome);
    }

    /// Says that the load failed, and lets it be known for `time`.
    pub(super) fn fail(self, error: LoadError, time: Duration) {
        let now = Instant::now();
        let until = now.checked_add(time).filter(|until| *until > now);
        let mut table = self.flights.lock();
        if self.remove(&mut table)
            && let Some(until) = until
        {
            let failure = (self.landing.clone(), error.bytes());
            table.failures.insert(self.spot.clone(), failure, now, until);
        }
        drop(table);
        self.landing.tell(Outcome::Failed(error));
    }

    pub(super) fn break_off(self, error: Error) {
        self.land(Outcome::Broken(Arc::new(Mutex::new(Some(error)))));
    }

    /// Removes this load, unless it was replaced or removed.
    fn remove(&self, table: &mut Table<V>) -> bool {
        let is_own = self.own(table).is_some();
        if is_own {
            table.flights.remove(&self.spot);
        }
        is_own
    }

    /// This load, unless it was replaced or removed.
    fn own<'a>(&self, table: &'a mut Table<V>) -> Option<&'a mut Flight<V>> {
        table.flights.get_mut(&self.spot).filter(|flight| self.is_of(flight))
    }

    fn is_of(&self, flight: &Flight<V>) -> bool {
        Arc::ptr_eq(&flight.landing, &self.landing)
    }
}

impl<V> Drop for Lead<V> {
    fn drop(&mut self) {
        if !self.landing.has_landed() {
            self.close();
            self.landing.tell(Outcome::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_through::spot::Names;

    #[test]
    fn nobody_joins_a_load_that_is_closed_or_has_landed() {
        let flights = Arc::new(Flights::<u64>::new());
        let spot = Names::Own.string(b"c:", b"1".to_vec()).unwrap();
        for end in [Lead::close as fn(&Lead<u64>), |lead| lead.flights.forget_one(&lead.spot)] {
            let Start::Leads(first) = flights.begin(&spot) else { panic!("it has landed") };
            assert!(matches!(flights.begin(&spot), Start::Joins(..)));
            end(&first);
            let Start::Leads(second) = flights.begin(&spot) else { panic!("it is closed") };
            first.land(Outcome::Lost);
            assert!(matches!(flights.begin(&spot), Start::Joins(..)), "the second is under way");
            second.land(Outcome::Lost);
        }
    }
}
