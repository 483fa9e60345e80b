use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::keys::ConsumerId;
use crate::error::Result;
#[cfg(feature = "serde")]
use crate::figures::milliseconds;
use crate::figures::{Shown, write_figures};
use crate::reply::{self, Reply};

/// The contents and counters of a [`WorkQueue`](crate::WorkQueue), at one moment.
///
/// If consumers come and go so fast that their lists could not be counted at that moment,
/// `in_flight` is too low. Jobs that the server gave to a retired consumer are in flight until they
/// are back, within a lease, and are counted a moment before the others.
///
/// `Display` writes one line of `name=value`. Serde (feature `serde`) has the same names, and `_ms`
/// after those of times, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct QueueStats {
    /// Jobs that wait in the queue.
    pub pending: usize,
    /// Jobs that consumers have claimed.
    pub in_flight: usize,
    /// Jobs that are not due yet, including failed ones.
    pub delayed: usize,
    /// Jobs in the dead-letter queue.
    pub dead: usize,
    /// Consumers that hold a lease, and those that lost theirs, until another consumer takes over
    /// their jobs. So it may be more than 0 while no worker runs.
    pub consumers: usize,
    /// Whether the queue is paused.
    pub paused: bool,
    /// A lower bound of how long the first job has waited, whichever program pushed it; `None` if
    /// none waits, or if that is not known yet.
    ///
    /// Consumers and [`stats`](crate::WorkQueue::stats) sample how many jobs have arrived. The age
    /// is too low by the time between two samples: a second, or 2 % of the longest wait then, if a
    /// program samples that often. After other programs have taken jobs from the list, or inserted
    /// some at its head, it may be too high until the jobs that waited then are through.
    #[cfg_attr(feature = "serde", serde(rename = "oldest_pending_ms", with = "milliseconds"))]
    pub oldest_pending: Option<Duration>,
    /// The running time of the job that has run longest, as of the last heartbeat of its consumer:
    /// it reveals a handler that hangs.
    #[cfg_attr(feature = "serde", serde(rename = "longest_running_ms", with = "milliseconds"))]
    pub longest_running: Option<Duration>,
    /// The holding time of the job that was held longest before its handler began, as of the last
    /// heartbeat of its consumer: it reveals a consumer that has claimed a batch and is never asked
    /// again.
    #[cfg_attr(feature = "serde", serde(rename = "longest_unstarted_ms", with = "milliseconds"))]
    pub longest_unstarted: Option<Duration>,
    /// Total number of jobs done, as far as the server was notified.
    pub done: u64,
    /// Total number of deliveries that failed and were not the last: the handler returned an error
    /// or panicked, the job was [retried](crate::Job::retry), or could not be decoded. The last
    /// delivery of a job counts in `buried`.
    pub retried: u64,
    /// Total number of deliveries after which the job returned to the head of the queue: it was
    /// given back, or its consumer was lost. Released jobs do not count.
    pub returned: u64,
    /// Total number of jobs that went to the dead-letter queue.
    pub buried: u64,
    /// Total number of program starts with other explicit [settings](crate::QueueSettings) than the
    /// stored ones, which were replaced. If it rises, programs disagree.
    pub settings_replaced: u64,
    /// When they were read, by the server's clock.
    #[cfg_attr(feature = "serde", serde(rename = "at_ms", with = "milliseconds"))]
    pub at: SystemTime,
}

/// Rates per second, between two [`QueueStats`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct QueueRates {
    /// Jobs done.
    pub done: f64,
    /// Deliveries that failed and were not the last.
    pub retried: f64,
    /// Deliveries after which the job was given back or its consumer was lost.
    pub returned: f64,
    /// Jobs that went to the dead-letter queue.
    pub buried: f64,
}

impl QueueStats {
    /// The rates per second since `earlier`, by the server's clock.
    pub fn rates_since(&self, earlier: &Self) -> QueueRates {
        let time = self.at.duration_since(earlier.at).unwrap_or_default();
        let seconds = time.as_secs_f64();
        let rate = |now: u64, then: u64| {
            if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 }
        };
        QueueRates {
            done: rate(self.done, earlier.done),
            retried: rate(self.retried, earlier.retried),
            returned: rate(self.returned, earlier.returned),
            buried: rate(self.buried, earlier.buried),
        }
    }
}

impl Default for QueueStats {
    fn default() -> Self {
        Self {
            pending: 0,
            in_flight: 0,
            delayed: 0,
            dead: 0,
            consumers: 0,
            paused: false,
            oldest_pending: None,
            longest_running: None,
            longest_unstarted: None,
            done: 0,
            retried: 0,
            returned: 0,
            buried: 0,
            settings_replaced: 0,
            at: UNIX_EPOCH,
        }
    }
}

impl fmt::Display for QueueStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_figures(
            f,
            &[
                ("pending", &self.pending),
                ("in_flight", &self.in_flight),
                ("delayed", &self.delayed),
                ("dead", &self.dead),
                ("consumers", &self.consumers),
                ("paused", &self.paused),
                ("oldest_pending", &Shown(self.oldest_pending)),
                ("longest_running", &Shown(self.longest_running)),
                ("longest_unstarted", &Shown(self.longest_unstarted)),
                ("done", &self.done),
                ("retried", &self.retried),
                ("returned", &self.returned),
                ("buried", &self.buried),
                ("settings_replaced", &self.settings_replaced),
            ],
        )
    }
}

impl fmt::Display for QueueRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, retried, returned, buried } = self;
        write!(
            f,
            "done/s={done:.1} retried/s={retried:.1} returned/s={returned:.1} buried/s={buried:.1}"
        )
    }
}

/// Reads the reply of `stats.lua`, including the ids whose lists must be counted.
pub(super) fn read(reply: Reply<'_>) -> Result<(QueueStats, BTreeSet<ConsumerId>)> {
    let [numbers, holders, retired] = reply::parts(reply)?;
    let [at, pending, in_flight, delayed, dead, paused, oldest, longest, counts @ ..] =
        reply::parts::<14>(numbers)?;
    let [done, retried, returned, buried, unstarted, replaced] = counts;
    let (mut holders, retired) = (ids(holders)?, ids(retired)?);
    let consumers = holders.len();
    holders.extend(retired);
    let count = |reply| reply::count(reply).map(|count| count as u64);
    let stats = QueueStats {
        at: since_1970(count(at)?),
        pending: reply::count(pending)?,
        in_flight: reply::count(in_flight)?,
        delayed: reply::count(delayed)?,
        dead: reply::count(dead)?,
        consumers,
        paused: reply::flag(paused)?,
        oldest_pending: age(oldest)?,
        longest_running: age(longest)?,
        done: count(done)?,
        retried: count(retried)?,
        returned: count(returned)?,
        buried: count(buried)?,
        longest_unstarted: age(unstarted)?,
        settings_replaced: count(replaced)?,
    };
    Ok((stats, holders))
}

/// A point in time of the server. One that no clock has is 1970.
pub(super) fn since_1970(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)).unwrap_or(UNIX_EPOCH)
}

/// Reads milliseconds, or -1 for none.
pub(super) fn age(reply: Reply<'_>) -> Result<Option<Duration>> {
    let milliseconds = reply::time_left(reply)?;
    Ok(u64::try_from(milliseconds).ok().map(Duration::from_millis))
}

/// Reads consumer ids, in any order.
pub(super) fn ids(reply: Reply<'_>) -> Result<BTreeSet<ConsumerId>> {
    Ok(reply::raw_many(reply)?.iter().map(|id| ConsumerId::parse(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_relative_to_the_time_between_two_samples() {
        let at = |seconds, done| QueueStats {
            at: UNIX_EPOCH + Duration::from_secs(seconds),
            done,
            ..QueueStats::default()
        };
        assert_eq!(at(14, 30).rates_since(&at(10, 10)).done, 5.0);
        assert_eq!(at(10, 30).rates_since(&at(10, 10)).done, 0.0, "no time has passed");
        assert_eq!(at(14, 1).rates_since(&at(10, 10)).done, 0.0, "it was begun anew");
        assert_eq!(at(10, 30).rates_since(&at(14, 10)).done, 0.0, "the clock was set back");
    }

    #[test]
    fn statistics_are_one_line_of_names_and_values() {
        let age = Duration::from_millis(1500);
        let stats = QueueStats { pending: 3, oldest_pending: Some(age), ..QueueStats::default() };
        assert_eq!(
            stats.to_string(),
            "pending=3 in_flight=0 delayed=0 dead=0 consumers=0 paused=false oldest_pending=1.5s \
             longest_running=- longest_unstarted=- done=0 retried=0 returned=0 buried=0 \
             settings_replaced=0"
        );
        let rates = stats.rates_since(&stats).to_string();
        assert_eq!(rates, "done/s=0.0 retried/s=0.0 returned/s=0.0 buried/s=0.0");
    }

    #[cfg(feature = "json")]
    #[test]
    fn statistics_are_serialized_with_times_in_milliseconds() {
        let stats = QueueStats {
            oldest_pending: Some(Duration::from_micros(1_499_001)),
            at: since_1970(1_718_810_565_500),
            ..QueueStats::default()
        };
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["oldest_pending_ms"], 1500, "rounded up");
        assert_eq!(json["longest_running_ms"], serde_json::Value::Null);
        assert_eq!(json["at_ms"], 1_718_810_565_500_u64);
        let read: QueueStats = serde_json::from_value(json).unwrap();
        let oldest_pending = Some(Duration::from_millis(1500));
        assert_eq!(read, QueueStats { oldest_pending, ..stats });
        assert_eq!(serde_json::from_str::<QueueStats>("{}").unwrap(), QueueStats::default());
    }
}
