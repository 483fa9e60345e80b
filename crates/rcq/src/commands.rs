//! The commands of the program.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::mem;
use std::time::{Duration, UNIX_EPOCH};

use redis_collections::Error;
use serde_json::json;

use crate::arguments::{Arguments, Command, Dead, Queue};
use crate::opened::Opened;
use crate::{base64, drain, list, running, stats, watch};
use redis_collections_cli::confirm::confirm;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let open = |queue: &Queue| Opened::new(arguments, queue);
    let existing = |queue: &Queue| Opened::existing(arguments, queue);
    match &arguments.command {
        Command::List => list::list(arguments),
        Command::Stats { queue, watch: None } => stats::print(&existing(queue)?),
        Command::Stats { queue, watch: Some(interval) } => {
            watch::watch(&existing(queue)?, *interval)
        }
        Command::Running { queue, count } => running::print(&existing(queue)?, *count),
        Command::Peek { queue, count } => existing(queue)?.peek(*count),
        Command::Push { queue, jobs, unique: Some(key), within, .. } => {
            open(queue)?.push_unique(key, jobs, *within)
        }
        Command::Push { queue, jobs, delay, .. } => open(queue)?.push(jobs, *delay),
        Command::Pause { queue, create: true } => open(queue)?.pause(),
        Command::Pause { queue, create: false } => existing(queue)?.pause(),
        Command::Resume(queue) => existing(queue)?.resume(),
        Command::Purge { queue, yes } => existing(queue)?.purge(*yes),
        Command::Dead(Dead::List { queue, count }) => existing(queue)?.list_dead(*count),
        Command::Dead(Dead::Requeue { queue, count }) => existing(queue)?.requeue(*count),
        Command::Dead(Dead::Purge { queue, yes }) => existing(queue)?.purge_dead(*yes),
        Command::Drain { queue, timeout } => drain::drain(&existing(queue)?, *timeout),
        Command::Document(document) => document.print::<Arguments>(),
    }
}

impl Opened {
    fn peek(&self, count: usize) -> Result<(), Failure> {
        for job in self.queue.peek(count)? {
            let value = job.value.unwrap_or_else(|undecodable| undecodable.bytes().to_vec());
            if self.json {
                print_object(&json!({
                    "job": base64::json(&value), "id": job.id, "deliveries": job.deliveries,
                }))?;
            } else {
                writeln!(io::stdout(), "{}", shown::text(&value))?;
            }
        }
        Ok(())
    }

    fn push(&self, jobs: &[OsString], delay: Option<Duration>) -> Result<(), Failure> {
        let mut pushed = 0;
        let mut pending = None;
        let mut push = |jobs: Vec<Vec<u8>>| -> Result<(), Failure> {
            match delay {
                None => {
                    let length = self.queue.push_many(&jobs);
                    pending = Some(length.map_err(|error| failed(pushed, error))?);
                    pushed += jobs.len();
                }
                Some(delay) => {
                    for job in &jobs {
                        let later = self.queue.push_in(job, delay);
                        later.map_err(|error| failed(pushed, error))?;
                        pushed += 1;
                    }
                }
            }
            Ok(())
        };
        match jobs {
            [] => each_batch(push)?,
            jobs => push(jobs.iter().map(|job| bytes(job).to_vec()).collect())?,
        }
        let what_is_next = match (delay, pending) {
            (Some(delay), _) => format!(", due in {}", shown::time(delay)),
            (None, Some(pending)) => format!(", {pending} pending"),
            (None, None) => String::new(),
        };
        self.say(
            json!({ "pushed": pushed, "pending": pending }),
            &format!("pushed {pushed} to {}{what_is_next}", self.shown_name()),
        )
    }

    fn push_unique(
        &self,
        key: &OsString,
        jobs: &[OsString],
        within: Duration,
    ) -> Result<(), Failure> {
        let [job] = jobs else {
            return Err(Failure::usage("--unique takes exactly one job".into()));
        };
        if key.is_empty() {
            return Err(Failure::usage("the key of --unique is empty".into()));
        }
        let pending = self.queue.push_unique(bytes(key), bytes(job), within)?;
        let pushed = usize::from(pending.is_some());
        let why = match pending {
            Some(pending) => format!("{pending} pending"),
            None => "this key was pushed within the time window".into(),
        };
        self.say(
            json!({ "pushed": pushed, "pending": pending }),
            &format!("pushed {pushed} to {}, {why}", self.shown_name()),
        )
    }

    fn pause(&self) -> Result<(), Failure> {
        self.queue.pause()?;
        self.say(json!({ "paused": true }), &format!("paused {}", self.shown_name()))
    }

    fn resume(&self) -> Result<(), Failure> {
        let was_paused = self.queue.resume()?;
        let name = self.shown_name();
        let text =
            if was_paused { format!("resumed {name}") } else { format!("{name} was not paused") };
        self.say(json!({ "paused": false, "was_paused": was_paused }), &text)
    }

    fn purge(&self, is_confirmed: bool) -> Result<(), Failure> {
        let name = self.shown_name();
        if !is_confirmed {
            let stats = self.queue.stats()?;
            let (pending, delayed) = (stats.pending, stats.delayed);
            confirm(&format!("Remove {pending} pending and {delayed} delayed jobs of {name}?"))?;
        }
        let purged = self.queue.purge()?;
        self.say(json!({ "purged": purged }), &format!("purged {purged} jobs of {name}"))
    }

    fn list_dead(&self, count: usize) -> Result<(), Failure> {
        let dead = self.queue.dead().list(count)?;
        if dead.is_empty() {
            return Ok(());
        }
        let now = self.queue.stats()?.at;
        let mut rows = vec![["AGE", "DELIVERIES", "REASON", "JOB"].map(String::from)];
        for dead in dead {
            let since = dead.since.duration_since(UNIX_EPOCH).unwrap_or_default();
            let value = dead.value.unwrap_or_else(|undecodable| undecodable.bytes().to_vec());
            if self.json {
                print_object(&json!({
                    "job": base64::json(&value),
                    "id": dead.id,
                    "deliveries": dead.deliveries,
                    "reason": dead.reason,
                    "since_ms": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                }))?;
            } else {
                rows.push([
                    shown::time(now.duration_since(dead.since).unwrap_or_default()),
                    dead.deliveries.to_string(),
                    shown::shortened(shown::text(dead.reason.as_bytes()), WIDEST_REASON),
                    shown::text(&value),
                ]);
            }
        }
        if !self.json {
            write!(io::stdout(), "{}", shown::table(&rows))?;
        }
        Ok(())
    }

    fn requeue(&self, count: Option<usize>) -> Result<(), Failure> {
        let requeued = self.queue.dead().requeue(count.unwrap_or(usize::MAX))?;
        self.say(
            json!({ "requeued": requeued }),
            &format!("requeued {requeued} in {}", self.shown_name()),
        )
    }

    fn purge_dead(&self, is_confirmed: bool) -> Result<(), Failure> {
        let (name, dead) = (self.shown_name(), self.queue.dead());
        // A job that is buried after this is removed, but not counted.
        let count = dead.len()?;
        if !is_confirmed {
            confirm(&format!("Remove {count} dead jobs of {name}?"))?;
        }
        let purged = if dead.purge()? { count } else { 0 };
        self.say(json!({ "purged": purged }), &format!("purged {purged} dead jobs of {name}"))
    }
}

/// Passes the lines of standard input to `push`, as many as are available at a time.
fn each_batch(mut push: impl FnMut(Vec<Vec<u8>>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut input = BufReader::new(io::stdin().lock());
    if io::stdin().is_terminal() {
        writeln!(io::stderr(), "rcq: reading jobs, one per line, until Ctrl-D")?;
    }
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        line.pop_if(|last| *last == b'\n');
        lines.push(line);
        if lines.len() == MAX_BATCH || !input.buffer().contains(&b'\n') {
            push(mem::take(&mut lines))?;
        }
    }
}

/// Returns a failure after this many jobs had been pushed.
fn failed(pushed: usize, error: Error) -> Failure {
    let failure = Failure::from(error);
    match pushed {
        0 => failure,
        _ => failure.with_hint(&format!("pushed before the failure: {pushed}")),
    }
}

/// Returns the bytes of an argument, which are unchanged on Unix.
fn bytes(argument: &OsString) -> &[u8] {
    argument.as_encoded_bytes()
}

const MAX_BATCH: usize = 1000;
/// The greatest width of a reason in a table.
const WIDEST_REASON: usize = 80;
