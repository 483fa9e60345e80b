//! How statistics and settings are displayed, and how serde writes their times.

use std::fmt::{self, Display};
use std::time::Duration;

/// Writes each figure as `name=value`, with a space between two.
pub(crate) fn write_figures(
    f: &mut fmt::Formatter<'_>,
    figures: &[(&str, &dyn Display)],
) -> fmt::Result {
    for (place, (name, value)) in figures.iter().enumerate() {
        let space = if place == 0 { "" } else { " " };
        write!(f, "{space}{name}={value}")?;
    }
    Ok(())
}

/// Displays a time with its unit, and none as `-`.
pub(crate) struct Shown(pub(crate) Option<Duration>);

impl Shown {
    /// Displays a time that is off if it is zero.
    pub(crate) fn unless_zero(time: Duration) -> Self {
        Self(Some(time).filter(|time| !time.is_zero()))
    }
}

impl From<Duration> for Shown {
    fn from(time: Duration) -> Self {
        Self(Some(time))
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("-"),
            Some(Duration::ZERO) => f.write_str("0s"),
            Some(time) => write!(f, "{time:?}"),
        }
    }
}

/// Declares a module for serde's `with`: times in whole units, rounded up.
#[cfg(feature = "serde")]
macro_rules! in_whole {
    ($unit:ident of $nanoseconds:literal nanoseconds, from $duration:path) => {
        pub(crate) mod $unit {
            use std::time::Duration;

            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use crate::figures::Time;

            pub(crate) fn serialize<T: Time, S: Serializer>(
                time: &T,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                time.counted(count).serialize(serializer)
            }

            pub(crate) fn deserialize<'de, T: Time, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<T, D::Error> {
                T::Count::deserialize(deserializer).map(|count| T::from_count(count, $duration))
            }

            fn count(time: Duration) -> u64 {
                u64::try_from(time.as_nanos().div_ceil($nanoseconds)).unwrap_or(u64::MAX)
            }
        }
    };
}

#[cfg(feature = "serde")]
in_whole!(milliseconds of 1_000_000 nanoseconds, from Duration::from_millis);
#[cfg(feature = "serde")]
in_whole!(microseconds of 1_000 nanoseconds, from Duration::from_micros);

/// A time that is serialized as a number of units: a duration, perhaps none, or a point in time
/// since 1970.
#[cfg(feature = "serde")]
pub(crate) trait Time: Sized {
    /// The number.
    type Count: serde::Serialize + serde::de::DeserializeOwned;

    fn counted(&self, count: fn(Duration) -> u64) -> Self::Count;

    fn from_count(count: Self::Count, duration: fn(u64) -> Duration) -> Self;
}

#[cfg(feature = "serde")]
impl Time for Duration {
    type Count = u64;

    fn counted(&self, count: fn(Duration) -> u64) -> u64 {
        count(*self)
    }

    fn from_count(count: u64, duration: fn(u64) -> Duration) -> Self {
        duration(count)
    }
}

#[cfg(feature = "serde")]
impl Time for Option<Duration> {
    type Count = Option<u64>;

    fn counted(&self, count: fn(Duration) -> u64) -> Option<u64> {
        self.map(count)
    }

    fn from_count(number: Option<u64>, duration: fn(u64) -> Duration) -> Self {
        number.map(duration)
    }
}

#[cfg(feature = "serde")]
impl Time for std::time::SystemTime {
    type Count = u64;

    fn counted(&self, count: fn(Duration) -> u64) -> u64 {
        count(self.duration_since(Self::UNIX_EPOCH).unwrap_or_default())
    }

    fn from_count(number: u64, duration: fn(u64) -> Duration) -> Self {
        Self::UNIX_EPOCH.checked_add(duration(number)).unwrap_or(Self::UNIX_EPOCH)
    }
}
