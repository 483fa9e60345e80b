use std::time::{Duration, Instant};

/// Whether the service is served, and when to check again. A dispatcher that starts or ends
/// announces it; a crash is detected by the lease.
pub(crate) struct ServedStatus {
    is_served: Option<bool>,
    /// Never, if `None`.
    check_at: Option<Instant>,
}

impl Default for ServedStatus {
    fn default() -> Self {
        Self { is_served: None, check_at: Some(Instant::now()) }
    }
}

impl ServedStatus {
    pub(crate) fn is_due_in(&self) -> Duration {
        self.check_at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn check_now(&mut self) {
        self.check_at = Some(Instant::now());
    }

    /// Schedules a check soon, for a change that is not announced.
    pub(crate) fn check_soon(&mut self) {
        let soon = Instant::now() + CHECK_INTERVAL;
        self.check_at = Some(self.check_at.map_or(soon, |at| at.min(soon)));
    }

    /// Records that the service was served, and schedules a check.
    pub(crate) fn was_served(&mut self) {
        self.is_served = Some(true);
        self.check_now();
    }

    pub(crate) fn stop_checks(&mut self) {
        self.check_at = None;
    }

    /// Records a check, and returns whether the result has changed. It is certain for `time`;
    /// without a lease, for a while.
    pub(crate) fn record_check(&mut self, is_served: bool, time: Option<Duration>) -> bool {
        self.check_at = Instant::now().checked_add(time.unwrap_or(CHECK_INTERVAL) + LEASE_MARGIN);
        self.is_served.replace(is_served).is_some_and(|before| before != is_served)
    }
}

/// How often to check if there is no lease, or a change is not announced.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A margin after the end of a lease, so that the server has noticed too.
const LEASE_MARGIN: Duration = Duration::from_millis(1);
