//! Watches statistics.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Error, QueueStats};

use crate::arguments::Arguments;
use crate::history::History;
use crate::opened::{Bytes, Opened};
use crate::stats;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::{complain, print_object};
use redis_collections_cli::terminal::{Colour, Terminal};
use redis_collections_cli::{shown, stop};

/// Prints statistics every `interval`, until Ctrl-C, a signal, or standard output has no
/// reader any more.
pub(crate) fn watch(opened: &Opened, interval: Duration) -> Result<(), Failure> {
    let stopped = stop::stop()?;
    let reads = read_every(interval, opened.queue.clone())?;
    let mut board = Board {
        opened,
        terminal: Terminal::of_stdout().filter(|_| !opened.json),
        history: History::default(),
        read_at: Instant::now(),
        interval,
        fault: None,
    };
    while stopped.try_recv().is_err() {
        match reads.recv_timeout(FRAME) {
            Ok(read) => board.take(read)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(Failure::FAILED, "cannot read statistics any more"));
            }
        }
        board.draw()?;
    }
    if board.terminal.is_some() {
        writeln!(io::stdout())?;
    }
    Ok(())
}

/// Reads statistics on a thread of its own: a server that does not answer then delays neither the
/// end of the program nor the report of it. The thread ends with the program.
fn read_every(
    interval: Duration,
    queue: Bytes,
) -> Result<Receiver<Result<QueueStats, Error>>, Failure> {
    let (reader, reads) = mpsc::channel();
    let read = move || {
        loop {
            let read = queue.stats();
            let pause = if read.is_ok() { interval } else { interval.min(RETRY_INTERVAL) };
            if reader.send(read).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    };
    thread::Builder::new().name("stats".into()).spawn(read)?;
    Ok(reads)
}

/// The last statistics, and how old they are.
struct Board<'a> {
    opened: &'a Opened,
    terminal: Option<Terminal>,
    history: History,
    /// When the last statistics were read.
    read_at: Instant,
    interval: Duration,
    /// The failure of every read since then, if there was one.
    fault: Option<String>,
}

impl Board<'_> {
    /// Accepts the outcome of a read. A lost connection is a failure only if nothing was read yet.
    fn take(&mut self, read: Result<QueueStats, Error>) -> Result<(), Failure> {
        match read {
            Ok(stats) => {
                if self.fault.take().is_some() {
                    self.complain("the server is reachable again");
                }
                self.read_at = Instant::now();
                self.history.add(stats);
                self.print()
            }
            Err(error) if error.is_transient() && self.history.last().is_some() => {
                let fault = error.to_string();
                if self.fault.is_none() {
                    self.complain(&fault);
                }
                self.fault = Some(fault);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Prints an error to standard error, unless the table shows it.
    fn complain(&self, message: &str) {
        if self.terminal.is_none() {
            complain::<Arguments>(message);
        }
    }

    /// Prints the last statistics, unless a table shows them.
    fn print(&self) -> Result<(), Failure> {
        let (Some(stats), None) = (self.history.last(), &self.terminal) else { return Ok(()) };
        let rates = self.history.rates();
        if self.opened.json {
            let mut object = stats::object(&self.opened.name, stats);
            object["rates"] = rates.map(stats::rates_object).into();
            print_object(&object)
        } else {
            Ok(writeln!(io::stdout(), "{}", stats::line(stats, rates))?)
        }
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let stale = self.stale();
        let (Some(stats), Some(terminal)) = (self.history.last(), &mut self.terminal) else {
            return Ok(());
        };
        let stale = stale.map(|stale| terminal.coloured(Colour::Red, &stale));
        let table = stats::frame(terminal, &self.opened.name, stats, &self.history);
        // The first line is visible on a terminal of any height.
        Ok(terminal.draw(&stale.into_iter().chain(table).collect::<Vec<_>>())?)
    }

    /// Returns since when and why the figures are out of date, if they are.
    fn stale(&self) -> Option<String> {
        let age = self.read_at.elapsed();
        let is_late = age > self.interval + GRACE;
        let why = self.fault.as_deref().or(is_late.then_some("the server does not answer"))?;
        Some(format!("stale for {}: {}", shown::time(age), shown::text(why.as_bytes())))
    }
}

const FRAME: Duration = Duration::from_millis(100);
/// The interval of reads after a failed one.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How much longer than the interval a read may take before the figures count as stale.
const GRACE: Duration = Duration::from_secs(1);
