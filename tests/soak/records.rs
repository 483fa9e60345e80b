//! What processes write down, a line a job, as it happens. It outlives their SIGKILL.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::terms::Work;

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A producer is about to push it.
    Sent,
    /// The server has confirmed it.
    Confirmed,
    Begun,
    Failed,
    Done,
    /// It was done after the lease was lost.
    Late,
    /// A pop failed that may have taken an item.
    Perhaps,
}

const EVENTS: [(Event, &str); 7] = [
    (Event::Sent, "sent"),
    (Event::Confirmed, "confirmed"),
    (Event::Begun, "begun"),
    (Event::Failed, "failed"),
    (Event::Done, "done"),
    (Event::Late, "late"),
    (Event::Perhaps, "perhaps"),
];

pub(crate) struct Record(File);

impl Record {
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// One call of the system, so that a line is whole or missing.
    #[allow(clippy::disallowed_methods, reason = "several processes on one machine")]
    pub(crate) fn note(&self, event: Event, jobs: &[String]) {
        let name = EVENTS.iter().find(|(other, _)| *other == event).expect("a name").1;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let lines: String = jobs.iter().map(|job| format!("{name} {since} {job}\n")).collect();
        (&self.0).write_all(lines.as_bytes()).expect("a record");
    }
}

/// Events and jobs.
pub(crate) fn read(path: &Path) -> io::Result<Vec<(Event, String)>> {
    let text = fs::read_to_string(path)?;
    text.lines().map(|line| parse(line).ok_or(io::ErrorKind::InvalidData.into())).collect()
}

/// How often the event was noted, for all jobs or those of one kind.
pub(crate) fn count(path: &Path, event: Event, work: Option<Work>) -> io::Result<usize> {
    // A process that was just started may have no record yet.
    let events = if path.exists() { read(path)? } else { Vec::new() };
    let is_meant = |(other, job): &&(Event, String)| {
        *other == event && work.is_none_or(|work| Work::of(job) == work)
    };
    Ok(events.iter().filter(is_meant).count())
}

/// Whether a process is in the middle of a slow job.
pub(crate) fn is_in_the_middle(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut ended = Vec::new();
    text.lines().rev().take(LATEST).filter_map(parse).any(|(event, job)| match event {
        Event::Begun => Work::of(&job) == Work::Slow && !ended.contains(&job),
        _ => {
            ended.push(job);
            false
        }
    })
}

fn parse(line: &str) -> Option<(Event, String)> {
    let (name, rest) = line.split_once(' ')?;
    let job = rest.split_once(' ')?.1;
    let event = EVENTS.iter().find(|(_, other)| *other == name)?.0;
    Some((event, job.to_owned()))
}

const LATEST: usize = 300;
