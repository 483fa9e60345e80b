//! Loads under way in this program, which callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::spot::Spot;
use crate::error::Error;
use crate::landing::Landing;
use crate::load_error::LoadError;

/// Loads under way, and those that failed a short while ago.
pub(super) struct Flights<V> {
    flights: Mutex<HashMap<Spot, Flight<V>>>,
}

struct Flight<V> {
    landing: Arc<Landing<Outcome<V>>>,
    /// When its error is forgotten, once it has failed.
    until: Option<Instant>,
}

/// What came of a load.
pub(super) enum Outcome<V> {
    Found(Option<Arc<V>>),
    /// It was found, but meanwhile somebody may have deleted or set the value: only who began it may
    /// have it.
    Outdated(Option<Arc<V>>),
    Failed(LoadError),
    /// Something else went wrong, which is told to whoever takes it first.
    Broken(Arc<Mutex<Option<Error>>>),
    /// It was given up.
    Lost,
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        match self {
            Outcome::Found(found) => Outcome::Found(found.clone()),
            Outcome::Outdated(found) => Outcome::Outdated(found.clone()),
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
    Joins(Arc<Landing<Outcome<V>>>),
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self { flights: Mutex::new(HashMap::new()) }
    }

    /// Joins the load of `spot`, or begins one.
    pub(super) fn begin(self: &Arc<Self>, spot: &Spot) -> Start<V> {
        let mut flights = self.lock();
        match flights.get(spot) {
            Some(flight) if !flight.is_forgotten() => Start::Joins(flight.landing.clone()),
            _ => Start::Leads(self.insert(&mut flights, spot)),
        }
    }

    /// Begins a load of `spot`, which those who come later join.
    pub(super) fn begin_anew(self: &Arc<Self>, spot: &Spot) -> Lead<V> {
        self.insert(&mut self.lock(), spot)
    }

    fn insert(self: &Arc<Self>, flights: &mut HashMap<Spot, Flight<V>>, spot: &Spot) -> Lead<V> {
        let landing = Arc::new(Landing::new());
        let flight = Flight { landing: landing.clone(), until: None };
        flights.insert(spot.clone(), flight);
        Lead { flights: self.clone(), spot: spot.clone(), landing }
    }

    /// Lets those who come from now on begin anew, of what is `chosen`.
    pub(super) fn forget(&self, chosen: impl Fn(&Spot) -> bool) {
        self.lock().retain(|spot, _| !chosen(spot));
    }

    /// The same for one value.
    pub(super) fn forget_one(&self, spot: &Spot) {
        self.lock().remove(spot);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Spot, Flight<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Flight<V> {
    fn is_forgotten(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }
}

/// The one who loads a value. Dropped without an outcome it keeps nobody waiting.
pub(super) struct Lead<V> {
    flights: Arc<Flights<V>>,
    pub(super) spot: Spot,
    landing: Arc<Landing<Outcome<V>>>,
}

impl<V> Lead<V> {
    pub(super) fn landing(&self) -> Arc<Landing<Outcome<V>>> {
        self.landing.clone()
    }

    /// Lets those who come from now on begin anew. To be called before the server says that the value
    /// is the newest: who comes later may know of a newer one.
    pub(super) fn close(&self) {
        self.end(None);
    }

    /// Says what came of the load.
    pub(super) fn land(self, outcome: Outcome<V>) {
        self.end(None);
        self.landing.tell(outcome);
    }

    /// Says that the load failed, and lets it be known for `time`.
    pub(super) fn fail(self, error: LoadError, time: Duration) {
        self.end(Some(time).filter(|time| !time.is_zero()));
        self.landing.tell(Outcome::Failed(error));
    }

    pub(super) fn break_off(self, error: Error) {
        self.land(Outcome::Broken(Arc::new(Mutex::new(Some(error)))));
    }

    fn end(&self, remembered: Option<Duration>) {
        let mut flights = self.flights.lock();
        let Some(flight) = flights.get_mut(&self.spot) else { return };
        if !Arc::ptr_eq(&flight.landing, &self.landing) {
            return;
        }
        let until = remembered.and_then(|time| Instant::now().checked_add(time));
        match until {
            Some(until) => {
                flight.until = Some(until);
                if flights.len() > MOST_REMEMBERED {
                    flights.retain(|_, flight| flight.until.is_none());
                }
            }
            None => {
                flights.remove(&self.spot);
            }
        }
    }
}

impl<V> Drop for Lead<V> {
    fn drop(&mut self) {
        if !self.landing.has_landed() {
            self.end(None);
            self.landing.tell(Outcome::Lost);
        }
    }
}

/// How many loads there may be before those that failed are forgotten.
const MOST_REMEMBERED: usize = 10_000;

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
            assert!(matches!(flights.begin(&spot), Start::Joins(_)));
            end(&first);
            let Start::Leads(second) = flights.begin(&spot) else { panic!("it is closed") };
            first.land(Outcome::Lost);
            assert!(matches!(flights.begin(&spot), Start::Joins(_)), "the second is under way");
            second.land(Outcome::Lost);
        }
    }
}
