use std::collections::BTreeSet;
use std::time::Duration;

use super::keys::ConsumerId;
use crate::error::Result;
use crate::reply::{self, Reply};

/// What there is to do in a [`WorkQueue`](crate::WorkQueue), and what was done, at one moment.
///
/// Where consumers come and go so fast that their lists could not be counted at that moment, `in_flight`
/// is too low. What the server gave to a consumer that is no more is in flight until it is back, within a
/// lease, and is counted a moment before the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Jobs that wait.
    pub pending: usize,
    /// Jobs that consumers have claimed.
    pub in_flight: usize,
    /// Jobs that are not due yet: those that failed too.
    pub delayed: usize,
    /// Jobs in the dead list.
    pub dead: usize,
    /// Consumers that session a lease, or have lost it not long ago.
    pub consumers: usize,
    /// Whether the queue is paused.
    pub paused: bool,
    /// For how long the first job has waited at least, whoever pushed it; `None` if none waits, or if
    /// that is not known yet.
    ///
    /// Consumers and [`stats`](crate::WorkQueue::stats) note how many jobs have entered. The age is too
    /// low by what lies between two notes: a second, or 2 % of the longest wait then, if somebody looks
    /// that often. Once others have taken jobs from the list, or put some at its head, it may be too
    /// high until those that waited then are through.
    pub oldest_pending: Option<Duration>,
    /// For how long the job has run that has run longest, as of the last beat of its consumer: a
    /// handler that hangs is seen here.
    pub longest_running: Option<Duration>,
    /// For how long the job was held that was held longest before anybody began with it, as of the last
    /// beat of its consumer: a consumer that has claimed a batch and is never asked again is seen here.
    pub longest_idle: Option<Duration>,
    /// Jobs done so far, as the server has heard.
    pub done: u64,
    /// Deliveries so far that failed and were to be tried again later.
    pub retried: u64,
    /// Deliveries so far after which the job went back to the head of the queue: it was given back, or
    /// its consumer was lost.
    pub redelivered: u64,
    /// Jobs so far that went to the dead list.
    pub buried: u64,
    /// How often so far a program began with other explicit [settings](crate::QueueSettings) than those
    /// that were stored, and so replaced them. If it rises, programs disagree.
    pub settings_replaced: u64,
    /// The server's time since 1970.
    pub at: Duration,
}

/// How much was done in a second, between two [`QueueStats`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct QueueRates {
    /// Jobs done.
    pub done: f64,
    /// Deliveries that failed.
    pub retried: f64,
    /// Deliveries that came to nothing.
    pub redelivered: f64,
    /// Jobs that went to the dead list.
    pub buried: f64,
}

impl QueueStats {
    /// How much was done in a second since `earlier`, by the server's clock.
    pub fn rates_since(&self, earlier: &Self) -> QueueRates {
        let seconds = self.at.saturating_sub(earlier.at).as_secs_f64();
        let rate = |now: u64, then: u64| match seconds > 0.0 {
            true => now.saturating_sub(then) as f64 / seconds,
            false => 0.0,
        };
        QueueRates {
            done: rate(self.done, earlier.done),
            retried: rate(self.retried, earlier.retried),
            redelivered: rate(self.redelivered, earlier.redelivered),
            buried: rate(self.buried, earlier.buried),
        }
    }
}

/// What `stats.lua` answers, and whose lists it had to count.
pub(super) fn read(reply: Reply<'_>) -> Result<(QueueStats, BTreeSet<ConsumerId>)> {
    let [numbers, holders, gone] = reply::parts(reply)?;
    let [at, pending, in_flight, delayed, dead, paused, oldest, longest, counts @ ..] =
        reply::parts::<14>(numbers)?;
    let [done, retried, redelivered, buried, idle, replaced] = counts;
    let (mut holders, gone) = (ids(holders)?, ids(gone)?);
    let consumers = holders.len();
    holders.extend(gone);
    let count = |reply| reply::count(reply).map(|count| count as u64);
    let stats = QueueStats {
        at: Duration::from_millis(count(at)?),
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
        redelivered: count(redelivered)?,
        buried: count(buried)?,
        longest_idle: age(idle)?,
        settings_replaced: count(replaced)?,
    };
    Ok((stats, holders))
}

/// Milliseconds, or -1 for none.
fn age(reply: Reply<'_>) -> Result<Option<Duration>> {
    let milliseconds = reply::time_left(reply)?;
    Ok(u64::try_from(milliseconds).ok().map(Duration::from_millis))
}

/// Consumers, in any order.
pub(super) fn ids(reply: Reply<'_>) -> Result<BTreeSet<ConsumerId>> {
    Ok(reply::raw_many(reply)?.iter().map(|id| ConsumerId::parse(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_go_by_the_time_between_two_moments() {
        let at = |seconds, done| QueueStats {
            at: Duration::from_secs(seconds),
            done,
            ..QueueStats::default()
        };
        assert_eq!(at(14, 30).rates_since(&at(10, 10)).done, 5.0);
        assert_eq!(at(10, 30).rates_since(&at(10, 10)).done, 0.0, "no time has passed");
        assert_eq!(at(14, 1).rates_since(&at(10, 10)).done, 0.0, "it was begun anew");
    }
}
