use std::fmt;
use std::time::Duration;

use super::freshness::Freshness;
use crate::error::{Error, Result};
#[cfg(feature = "serde")]
use crate::figures::milliseconds;
use crate::figures::{Shown, write_figures};

/// The times for which a read-through cache keeps values, and its behavior during failures:
/// settings of a [`CacheClient`](crate::CacheClient) and a
/// [`HashCacheClient`](crate::HashCacheClient).
///
/// Everything but the time to live is off by default. Times are at most a thousand years.
///
/// `Display` writes one line of `name=value`, and `-` for a time that is off. Serde (feature `serde`)
/// has the names of the methods, and `_ms` after those of times, in milliseconds. Names that are
/// left out have their defaults: without `time_to_live_ms`, values do not expire. Unknown names are
/// refused.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "CachePolicy::without_expiry", deny_unknown_fields))]
#[must_use = "a policy does nothing before a cache is made with it"]
pub struct CachePolicy {
    #[cfg_attr(feature = "serde", serde(rename = "time_to_live_ms", with = "milliseconds"))]
    pub(super) time_to_live: Option<Duration>,
    pub(super) jitter: f64,
    #[cfg_attr(feature = "serde", serde(rename = "remember_absence_ms", with = "milliseconds"))]
    pub(super) absence: Option<Duration>,
    #[cfg_attr(feature = "serde", serde(rename = "remember_errors_ms", with = "milliseconds"))]
    pub(super) errors: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "early_refresh"))]
    pub(super) early: f64,
    #[cfg_attr(feature = "serde", serde(rename = "refresh_ahead_ms", with = "milliseconds"))]
    pub(super) ahead: Duration,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "stale_while_revalidate_ms", with = "milliseconds")
    )]
    pub(super) revalidate: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "stale_if_error_ms", with = "milliseconds"))]
    pub(super) on_error: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "lease_ms", with = "milliseconds"))]
    pub(super) lease: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "fail_without_redis"))]
    pub(super) fails_without_redis: bool,
}

impl CachePolicy {
    /// Keeps each value for `time`, unless its loader sets another one.
    pub fn time_to_live(time: Duration) -> Self {
        Self::keeping(Some(time))
    }

    /// Keeps values until they are deleted or set again, unless their loader sets a time.
    pub fn without_expiry() -> Self {
        Self::keeping(None)
    }

    /// The default policy for values with this time to live, if any.
    fn keeping(time_to_live: Option<Duration>) -> Self {
        Self {
            time_to_live,
            jitter: 0.0,
            absence: None,
            errors: Duration::ZERO,
            early: 0.0,
            ahead: Duration::ZERO,
            revalidate: Duration::ZERO,
            on_error: Duration::ZERO,
            lease: Duration::from_secs(10),
            fails_without_redis: false,
        }
    }

    /// Shortens each time to live by a random part of it, at most this `fraction`, so that values
    /// that were stored together do not expire together.
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction;
        self
    }

    /// Enables negative caching: remembers the absence of a value at its source for `time`.
    pub fn remember_absence(mut self, time: Duration) -> Self {
        self.absence = Some(time);
        self
    }

    /// Returns the loader's last error for `time` after it, instead of loading.
    ///
    /// Other programs whose policy remembers errors return it too, from their next lookup of the
    /// value on. Only its message reaches them, at most 500 bytes of it, as a
    /// [`LoadError`](crate::LoadError) that [is remote](crate::LoadError::is_remote). Setting or
    /// deleting the value ends this in Redis and in the program that does so.
    ///
    /// A program remembers 100,000 errors at most, and 32 MB of them with their ids, counting the
    /// message of each. The oldest are forgotten first.
    pub fn remember_errors(mut self, time: Duration) -> Self {
        self.errors = time;
        self
    }

    /// Loads a value again, in the background, at a random moment before it expires: the earlier,
    /// the longer loading takes and the greater `beta` is. 1 is usual.
    ///
    /// This is XFetch of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache
    /// Stampede Prevention" (VLDB 2015), with the mean load time of this program.
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.early = beta;
        self
    }

    /// Loads a value again, in the background, when it is requested in the last `time` before it
    /// expires.
    pub fn refresh_ahead(mut self, time: Duration) -> Self {
        self.ahead = time;
        self
    }

    /// Serves a value for up to `time` after it expired, while it is loaded again in the
    /// background.
    pub fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.revalidate = time;
        self
    }

    /// Serves a value for up to `time` after it expired, if its loader fails.
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.on_error = time;
        self
    }

    /// Sets how soon the death of a program during a load is detected. Defaults to 10 seconds.
    ///
    /// Other programs wait this long before one of them loads too, so it should be longer than
    /// loading takes: if a load takes longer, another one begins beside it, and the first to finish
    /// is stored. A load that takes longer than sixty times this is not stored. A caller waits for
    /// other loads at most three times this, and then loads by itself. It is at least 10
    /// milliseconds.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self
    }

    /// Returns the error when Redis is unavailable, instead of loading each requested value.
    pub fn fail_without_redis(mut self) -> Self {
        self.fails_without_redis = true;
        self
    }

    /// Rejects settings that are contradictory or out of range.
    pub(super) fn check(&self) -> Result<()> {
        let times = [self.time_to_live, self.absence];
        let is_fraction = |fraction: f64| (0.0..1.0).contains(&fraction);
        let problem = if times.into_iter().flatten().any(|time| time.is_zero()) {
            "the times of a cache policy are more than zero"
        } else if times.into_iter().flatten().chain(self.others()).any(|time| time > LONGEST)
            || self.time_to_live.is_some_and(|time| time > LONGEST - self.reserve())
        {
            "the times of a cache policy are at most a thousand years"
        } else if !is_fraction(self.jitter) {
            "the jitter of a cache policy is at least 0 and less than 1"
        } else if !(self.early.is_finite() && self.early >= 0.0) {
            "the beta of an early refresh is a finite number from 0 on"
        } else if self.lease < SHORTEST_LEASE {
            "the lease of a cache policy is at least 10 milliseconds"
        } else {
            return Ok(());
        };
        Err(Error::Configuration(problem.into()))
    }

    /// Returns how long a value is kept after it expired.
    pub(super) fn reserve(&self) -> Duration {
        self.revalidate.max(self.on_error)
    }

    fn others(&self) -> [Duration; 5] {
        [self.errors, self.ahead, self.revalidate, self.on_error, self.lease]
    }

    /// The part that concerns old values, in milliseconds.
    pub(super) fn freshness(&self) -> Freshness {
        let milliseconds = |time: Duration| time.as_millis() as i64;
        Freshness {
            revalidate: milliseconds(self.revalidate),
            on_error: milliseconds(self.on_error),
            ahead: milliseconds(self.ahead),
            early: self.early,
        }
    }
}

impl fmt::Display for CachePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_figures(
            f,
            &[
                ("time_to_live", &Shown(self.time_to_live)),
                ("jitter", &self.jitter),
                ("remember_absence", &Shown(self.absence)),
                ("remember_errors", &Shown::unless_zero(self.errors)),
                ("early_refresh", &self.early),
                ("refresh_ahead", &Shown::unless_zero(self.ahead)),
                ("stale_while_revalidate", &Shown::unless_zero(self.revalidate)),
                ("stale_if_error", &Shown::unless_zero(self.on_error)),
                ("lease", &Shown::from(self.lease)),
                ("fail_without_redis", &self.fails_without_redis),
            ],
        )
    }
}

/// Prevents sums of times from overflowing the server's calendar.
pub(super) const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 60 * 60);
const SHORTEST_LEASE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_its_defaults() {
        let off = Duration::ZERO;
        for policy in
            [CachePolicy::time_to_live(Duration::from_secs(1)), CachePolicy::without_expiry()]
        {
            assert_eq!(policy.lease, Duration::from_secs(10));
            assert_eq!((policy.jitter, policy.early), (0.0, 0.0));
            assert_eq!((policy.absence, policy.errors, policy.ahead), (None, off, off));
            assert_eq!((policy.revalidate, policy.on_error), (off, off));
            assert!(!policy.fails_without_redis);
        }
    }

    #[test]
    fn a_policy_is_one_line_of_names_and_values() {
        let policy = CachePolicy::time_to_live(Duration::from_secs(60)).jitter(0.5);
        assert_eq!(
            policy.to_string(),
            "time_to_live=60s jitter=0.5 remember_absence=- remember_errors=- early_refresh=0 \
             refresh_ahead=- stale_while_revalidate=- stale_if_error=- lease=10s \
             fail_without_redis=false"
        );
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_policy_is_read_from_the_names_of_its_methods() {
        let second = Duration::from_secs(1);
        let policy = CachePolicy::time_to_live(second)
            .jitter(0.25)
            .remember_absence(second * 2)
            .remember_errors(second * 3)
            .early_refresh(1.5)
            .refresh_ahead(second * 4)
            .stale_while_revalidate(second * 5)
            .stale_if_error(second * 6)
            .lease(second * 7)
            .fail_without_redis();
        let json = r#"{"time_to_live_ms":1000,"jitter":0.25,"remember_absence_ms":2000,
            "remember_errors_ms":3000,"early_refresh":1.5,"refresh_ahead_ms":4000,
            "stale_while_revalidate_ms":5000,"stale_if_error_ms":6000,"lease_ms":7000,
            "fail_without_redis":true}"#;
        let read = |json: &str| serde_json::from_str::<CachePolicy>(json);
        assert_eq!(format!("{:?}", read(json).unwrap()), format!("{policy:?}"));
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(format!("{:?}", read(&written).unwrap()), format!("{policy:?}"));
        let defaults = CachePolicy::without_expiry();
        assert_eq!(format!("{:?}", read("{}").unwrap()), format!("{defaults:?}"));
        assert!(read(r#"{"lease": 7000}"#).is_err(), "no such name");
    }

    #[test]
    fn settings_that_cannot_be_kept_are_refused() {
        let second = Duration::from_secs(1);
        let policy = || CachePolicy::time_to_live(second);
        for (policy, is_accepted) in [
            (policy(), true),
            (CachePolicy::without_expiry(), true),
            (CachePolicy::time_to_live(Duration::ZERO), false),
            (CachePolicy::time_to_live(Duration::MAX), false),
            (CachePolicy::time_to_live(LONGEST), true),
            (policy().remember_absence(Duration::ZERO), false),
            (policy().stale_if_error(Duration::MAX), false),
            (policy().stale_if_error(LONGEST), false),
            (policy().jitter(0.5), true),
            (policy().jitter(1.0), false),
            (policy().jitter(-0.1), false),
            (policy().jitter(f64::NAN), false),
            (policy().early_refresh(f64::INFINITY), false),
            (policy().early_refresh(1.0), true),
            (policy().lease(Duration::ZERO), false),
        ] {
            assert_eq!(policy.check().is_ok(), is_accepted, "{policy:?}");
        }
    }
}
