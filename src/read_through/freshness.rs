//! Decides by the age of a value how it may be served. Times are in milliseconds.

/// The part of a policy that concerns old values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freshness {
    /// Stale-while-revalidate: for how long an expired value is served while it is loaded again.
    pub(crate) revalidate: i64,
    /// Stale-if-error: for how long an expired value is served if its loader fails.
    pub(crate) on_error: i64,
    /// Refresh-ahead: how long before its expiry a value is loaded again.
    pub(crate) ahead: i64,
    /// The beta of early refreshes at random.
    pub(crate) early: f64,
}

/// How a value may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is served.
    Fresh,
    /// It is served, and refreshed in the background.
    RefreshDue,
    /// It has expired. It is served, and refreshed in the background.
    StaleWhileRevalidate,
    /// It has expired, and is served only if it cannot be loaded.
    StaleIfError,
}

impl Age {
    /// Returns whether the value is served without waiting.
    pub(crate) fn is_served(self) -> bool {
        self != Age::StaleIfError
    }
}

impl Freshness {
    /// Returns how long the server keeps a value after its expiry.
    pub(crate) fn reserve(&self) -> i64 {
        self.revalidate.max(self.on_error)
    }

    /// Returns how long before the server drops it a value may no longer be fresh.
    #[cfg(feature = "near-cache")]
    pub(crate) fn margin(&self) -> i64 {
        self.reserve() + self.ahead
    }

    /// Returns whether the time to live of values is needed.
    pub(crate) fn matters(&self) -> bool {
        self.reserve() > 0 || self.ahead > 0 || self.early > 0.0
    }

    /// Returns the age of a value that the server drops after `left`; never if that is negative.
    /// Loading takes `load_time`; `chance` is a random number above 0 and at most 1.
    pub(crate) fn age(&self, left: i64, load_time: i64, chance: f64) -> Age {
        if left < 0 {
            return Age::Fresh;
        }
        let left = left - self.reserve();
        let early = (load_time as f64 * self.early * -chance.ln()) as i64;
        match left {
            1.. if left > self.ahead.max(early) => Age::Fresh,
            1.. => Age::RefreshDue,
            _ if -left < self.revalidate => Age::StaleWhileRevalidate,
            _ => Age::StaleIfError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ages() {
        let none = Freshness::default();
        let stale = Freshness { revalidate: 100, on_error: 1000, ..none.clone() };
        let ahead = Freshness { ahead: 50, ..none.clone() };
        let early = Freshness { early: 1.0, ..none.clone() };
        for (freshness, left, chance, age) in [
            (&none, -1, 1.0, Age::Fresh),
            (&none, 1, 1e-9, Age::Fresh),
            (&stale, 1001, 1.0, Age::Fresh),
            (&stale, 1000, 1.0, Age::StaleWhileRevalidate),
            (&stale, 901, 1.0, Age::StaleWhileRevalidate),
            (&stale, 900, 1.0, Age::StaleIfError),
            (&stale, 0, 1.0, Age::StaleIfError),
            (&ahead, 51, 1.0, Age::Fresh),
            (&ahead, 50, 1.0, Age::RefreshDue),
            (&early, 1, 1.0, Age::Fresh),
            (&early, 21, 0.1, Age::RefreshDue),
            (&early, 24, 0.1, Age::Fresh),
        ] {
            assert_eq!(freshness.age(left, 10, chance), age, "{freshness:?} {left} {chance}");
        }
    }
}
