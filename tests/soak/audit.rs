//! What became of the jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redis_collections::{Client, QueueStats};

use super::crew::Crew;
use super::faults::Faults;
use super::records::{Event, read};
use super::terms::{MAX_DELIVERIES, Mode, QUEUE, Work, queue};
use support::servers::{Outcome, query};

pub(crate) struct Report {
    faults: Faults,
    /// How often each event was noted for each job.
    events: BTreeMap<(Event, String), usize>,
    /// Jobs in the dead list, and how often they were delivered.
    dead: Vec<(String, u32)>,
    stats: QueueStats,
    /// Keys without an owner that do not expire.
    left: Vec<String>,
}

impl Report {
    pub(crate) fn of(crew: &Crew, faults: Faults) -> Outcome<Self> {
        let mut events = BTreeMap::new();
        for path in crew.records()? {
            for (event, job) in read(&path)? {
                *events.entry((event, job)).or_default() += 1;
            }
        }
        let url = crew.servers.url();
        let queue = queue(&Client::open(url)?);
        let dead = queue.dead().list(usize::MAX)?.into_iter();
        let dead = dead.map(|dead| Ok((dead.value?, dead.deliveries)));
        let dead = dead.collect::<Result<Vec<_>, redis_collections::Undecodable>>()?;
        let owned = [format!("{QUEUE}~rc:dead"), format!("{QUEUE}~rc:counts")];
        let mut left = crew.keys("*")?;
        left.retain(|key| !owned.contains(key));
        left.retain(|key| !matches!(query(url, &format!("PTTL {key}")), Ok(0_i64..)));
        Ok(Self { faults, events, dead, stats: queue.stats()?, left })
    }

    pub(crate) fn problems(&self, mode: Mode) -> Vec<String> {
        let known = self.jobs(Event::Sent);
        let unknown = [Event::Begun, Event::Done].iter().flat_map(|event| self.jobs(*event));
        let unknown: Vec<_> = unknown.filter(|job| !known.contains(job)).collect();
        let lost = self.lost();
        let mut problems = Vec::new();
        let mut claim = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        claim(unknown.is_empty(), format!("unknown: {unknown:?}"));
        if mode == Mode::Plain {
            // Also those whose confirmation was lost on its way to the producer.
            let begun = self.jobs(Event::Begun);
            let lost = begun.difference(&self.jobs(Event::Done)).count();
            let hit = self.faults.kills_in_the_middle;
            claim(hit > 0 && lost >= hit, format!("{lost} were lost by {hit} kills"));
            return problems;
        }
        claim(lost.is_empty(), format!("lost: {lost:?}"));
        let (items, perhaps) = (self.lost_items(), self.jobs(Event::Perhaps).len());
        let hit = self.faults.pops_hit;
        // A pop whose connection ends waits on, and does not say that it may have lost one.
        claim(items <= hit, format!("{items} items were lost by {hit} pops that a fault hit"));
        claim(perhaps <= hit, format!("{perhaps} pops failed, {hit} were hit by a fault"));
        let (duplicates, bound) = (self.duplicates(), self.faults.bound);
        claim(duplicates <= bound, format!("{duplicates} duplicates are more than {bound}"));
        let dead: BTreeSet<_> = self.dead.iter().map(|(job, _)| job.as_str()).collect();
        claim(dead.len() == self.dead.len(), format!("buried twice: {:?}", self.dead));
        let rightly = |(job, deliveries): &(String, u32)| {
            Work::of(job).is_poison()
                && known.contains(job.as_str())
                && *deliveries == MAX_DELIVERIES
        };
        let wrongly: Vec<_> = self.dead.iter().filter(|dead| !rightly(dead)).collect();
        claim(wrongly.is_empty(), format!("wrongly buried: {wrongly:?}"));
        // Only the holder of a job can acknowledge it, and only once.
        let done = self.jobs(Event::Done).into_iter().filter(|job| Work::of(job) != Work::Item);
        let (done, acknowledged) = (done.count() as u64, self.stats.done);
        claim(done == acknowledged, format!("{done} were done, {acknowledged} acknowledged"));
        let buried = self.stats.buried;
        claim(buried == dead.len() as u64, format!("{buried} were buried, {} are", dead.len()));
        let late = self.jobs(Event::Late).len();
        let frozen = self.faults.freezes_in_the_middle;
        claim(late >= frozen.min(1), format!("{frozen} were frozen, and none came too late"));
        let stats = &self.stats;
        let rest = stats.pending + stats.in_flight + stats.delayed + stats.consumers;
        claim(rest == 0, format!("{stats:?}"));
        claim(self.left.is_empty(), format!("keys are left: {:?}", self.left));
        problems
    }

    fn jobs(&self, event: Event) -> BTreeSet<&str> {
        let noted = self.events.keys().filter(|(other, _)| *other == event);
        noted.map(|(_, job)| job.as_str()).collect()
    }

    /// Confirmed jobs that were not done, or, if they are poison, not buried.
    fn lost(&self) -> Vec<&str> {
        let (done, mut lost) = (self.jobs(Event::Done), self.jobs(Event::Confirmed));
        let is_dead = |job: &str| self.dead.iter().any(|(dead, _)| dead == job);
        lost.retain(|job| match Work::of(job) {
            Work::Item => false,
            work if work.is_poison() => !is_dead(job),
            _ => !done.contains(job),
        });
        lost.into_iter().collect()
    }

    /// Confirmed items that were not received.
    fn lost_items(&self) -> usize {
        let (done, confirmed) = (self.jobs(Event::Done), self.jobs(Event::Confirmed));
        let lost = confirmed.difference(&done);
        lost.filter(|job| Work::of(job) == Work::Item).count()
    }

    fn duplicates(&self) -> usize {
        let done = self.events.iter().filter(|((event, _), _)| *event == Event::Done);
        done.map(|(_, times)| times - 1).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { kills, freezes, cuts, half_open, flushes, server_kills, bound, .. } =
            self.faults;
        let Faults { demotions, pauses, crashing, crashes, .. } = self.faults;
        writeln!(
            f,
            "{kills} kills, {freezes} freezes, {pauses} pauses, {cuts} cuts, {half_open} half-open, \
            {flushes} script flushes, {server_kills} server kills, {demotions} demotions, \
            {crashes} crashes by {crashing} jobs"
        )?;
        let (confirmed, done) = (self.jobs(Event::Confirmed).len(), self.jobs(Event::Done).len());
        let (lost, duplicates, late) =
            (self.lost().len(), self.duplicates(), self.jobs(Event::Late).len());
        let (dead, left) = (self.dead.len(), self.left.len());
        write!(
            f,
            "{confirmed} confirmed, {done} done, {lost} lost, {duplicates} duplicates (bound {bound}), \
            {late} too late, {dead} dead, {left} keys left, "
        )?;
        let (items, perhaps) = (self.lost_items(), self.jobs(Event::Perhaps).len());
        write!(f, "{items} items lost by {perhaps} pops that said so")
    }
}
