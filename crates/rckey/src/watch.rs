//! Watches values as they change.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

use redis_collections::keyword::{Description, Monitor, Reading};

use crate::arguments::Arguments;
use crate::opened::{Opened, failed, is_readable};
use crate::reading;
use crate::table::{self, Row};
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::{complain, print_object};
use redis_collections_cli::stop;
use redis_collections_cli::terminal::Terminal;

/// Watches keywords until Ctrl-C, a signal, or standard output has no reader any more.
pub(crate) fn watch(opened: &Opened, names: &[String]) -> Result<(), Failure> {
    let stopped = stop::stop()?;
    let known: Vec<_> = match names {
        [] => opened.all()?.into_iter().filter(is_readable).collect(),
        names => opened.each(names).into_iter().collect::<Result<_, _>>()?,
    };
    // Keywords that cannot be watched are reported now.
    for (name, reading) in names.iter().zip(opened.service.read_many(names)?) {
        reading.map_err(|error| failed(name, error))?;
    }
    let mut monitor = match names {
        [] => opened.service.monitor_all()?,
        names => opened.service.monitor(names)?,
    };
    let mut board = Board {
        opened,
        terminal: Terminal::of_stdout().filter(|_| !opened.json),
        known: known.into_iter().map(|known| (known.name.clone(), Some(known))).collect(),
        rows: BTreeMap::new(),
        head: String::new(),
        is_disconnected: false,
    };
    let mut refresh = Instant::now();
    while stopped.try_recv().is_err() {
        if Instant::now() >= refresh {
            board.look_again()?;
            refresh = Instant::now() + REFRESH;
        }
        board.listen(&mut monitor, Instant::now() + FRAME)?;
        board.draw()?;
    }
    if board.terminal.is_some() {
        writeln!(io::stdout())?;
    }
    Ok(())
}

/// The present state of the watched keywords.
struct Board<'a> {
    opened: &'a Opened,
    terminal: Option<Terminal>,
    /// The descriptions of the keywords; `None` if unavailable.
    known: BTreeMap<String, Option<Description>>,
    rows: BTreeMap<String, Row>,
    /// The state of the service, or the last error.
    head: String,
    /// Whether the server was unreachable at the last check.
    is_disconnected: bool,
}

impl Board<'_> {
    /// Takes changes from the monitor until this time.
    fn listen(&mut self, monitor: &mut Monitor, until: Instant) -> Result<(), Failure> {
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && let Some(reading) = monitor.next_within(left)
        {
            match reading {
                // Changes that were queued during a read are outdated.
                Ok(reading) if self.has_newer_than(&reading) => {}
                Ok(reading) => self.take(reading)?,
                Err(error) if self.terminal.is_some() => self.head = error.to_string(),
                Err(error) => complain::<Arguments>(&error.to_string()),
            }
        }
        Ok(())
    }

    /// Reads the states that are not announced: statuses, values that were set again, and whether a
    /// dispatcher serves.
    fn look_again(&mut self) -> Result<(), Failure> {
        let Opened { service, name, .. } = self.opened;
        let readings = service.read_many(self.rows.keys());
        match readings.and_then(|readings| Ok((readings, service.is_served()?))) {
            Ok((readings, is_served)) => {
                if mem::take(&mut self.is_disconnected) {
                    self.complain("the server is reachable again");
                }
                let not = if is_served { "" } else { "not " };
                self.head = format!("{name} is {not}served");
                readings.into_iter().flatten().try_for_each(|reading| self.take(reading))
            }
            // The monitor continues too when the server is available again.
            Err(error) if error.is_transient() => {
                self.head = error.to_string();
                if !mem::replace(&mut self.is_disconnected, true) {
                    self.complain(&error.to_string());
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Prints an error to standard error, unless a table shows it in its headline.
    fn complain(&self, message: &str) {
        if self.terminal.is_none() {
            complain::<Arguments>(message);
        }
    }

    fn has_newer_than(&self, other: &Reading) -> bool {
        let shown = self.rows.get(&other.keyword).and_then(|row| row.reading.set_at);
        shown.zip(other.set_at).is_some_and(|(shown, other)| other < shown)
    }

    fn take(&mut self, reading: Reading) -> Result<(), Failure> {
        let name = &reading.keyword;
        let describe = || self.opened.service.describe(name).ok();
        let known = self.known.entry(name.clone()).or_insert_with(describe).as_ref();
        let before = self.rows.get(name).filter(|row| row.says_the_same_as(&reading));
        let changed = before.map_or_else(Instant::now, |row| row.changed);
        match before {
            None if self.terminal.is_some() => {}
            None if self.opened.json => {
                print_object(&reading::object(&self.opened.name, &reading, known))?;
            }
            None => writeln!(io::stdout(), "{}", reading::line(&reading, known))?,
            Some(_) => {}
        }
        self.rows.insert(name.clone(), Row { reading, changed });
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Failure> {
        if let Some(terminal) = &mut self.terminal {
            let known = |name: &str| self.known.get(name).and_then(Option::as_ref);
            terminal.draw(&table::frame(terminal, &self.head, self.rows.values(), known))?;
        }
        Ok(())
    }
}

const FRAME: Duration = Duration::from_millis(100);
const REFRESH: Duration = Duration::from_secs(1);
