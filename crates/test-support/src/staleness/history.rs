//! The values that a key has held, and the time since one was replaced.

use std::time::{Duration, Instant};

/// The values that a key has held, one after the other.
pub(super) struct History {
    pub(super) states: Vec<State>,
}

pub(super) struct State {
    pub(super) value: Option<u64>,
    /// When it was acknowledged. Before, and where that failed, it may be there at any time.
    pub(super) certain: Option<Instant>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { states: vec![State { value: None, certain: Some(Instant::now()) }] }
    }

    pub(super) fn acknowledge(&mut self) {
        if let Some(state) = self.states.last_mut() {
            state.certain = Some(Instant::now());
        }
    }

    /// How long before `began` the value was certainly replaced. `None` if it was never there.
    pub(super) fn staleness(&self, value: Option<u64>, began: Instant) -> Option<Duration> {
        let place = self.states.iter().rposition(|state| state.value == value)?;
        let later = &self.states[place + 1..];
        let replaced = later.iter().find_map(|state| state.certain);
        let replaced = replaced.filter(|_| self.states[place].certain.is_some());
        Some(replaced.map_or(Duration::ZERO, |replaced| began.saturating_duration_since(replaced)))
    }
}
