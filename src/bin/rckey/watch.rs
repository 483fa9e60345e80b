//! Values as they change.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use redis_collections::Error;
use redis_collections::keyword::{Description, Monitor, Reading, Status};

use crate::arguments::Arguments;
use crate::commands::print;
use crate::common::failure::Failure;
use crate::common::program::complain;
use crate::common::terminal::{Colour, Terminal};
use crate::common::{shown, stop};
use crate::opened::{Opened, failed, is_readable};
use crate::reading;

/// Until it is told to stop, by Ctrl-C or a signal.
pub(crate) fn watch(opened: &Opened, names: &[String]) -> Result<(), Failure> {
    let stopped = stop::stop()?;
    let known = match names {
        [] => opened.all()?.into_iter().filter(is_readable).collect(),
        names => opened.each(names).into_iter().collect::<Result<Vec<_>, _>>()?,
    };
    // What cannot be watched is found out now.
    for reading in opened.service.read_many(names)?.into_iter().zip(names) {
        let (reading, name) = reading;
        reading.map_err(|error| failed(name, error))?;
    }
    let mut monitor = match names {
        [] => opened.service.monitor_all()?,
        names => opened.service.monitor(names)?,
    };
    let known = known.into_iter().map(|known| (known.name.clone(), Some(known))).collect();
    let terminal = Terminal::of_stdout().filter(|_| !opened.json);
    let mut board = Board { opened, terminal, known, rows: BTreeMap::new(), problem: None };
    let mut refresh = Instant::now() + REFRESH;
    while stopped.try_recv().is_err() {
        board.listen(&mut monitor, Instant::now() + FRAME)?;
        if Instant::now() >= refresh {
            board.look_again()?;
            refresh = Instant::now() + REFRESH;
        }
        board.draw()?;
    }
    if board.terminal.is_some() {
        writeln!(io::stdout())?;
    }
    Ok(())
}

/// What is known by now.
struct Board<'a> {
    opened: &'a Opened,
    terminal: Option<Terminal>,
    /// What keywords are; `None` where that cannot be found out.
    known: BTreeMap<String, Option<Description>>,
    rows: BTreeMap<String, Reading>,
    problem: Option<String>,
}

impl Board<'_> {
    /// Takes what is told until then.
    fn listen(&mut self, monitor: &mut Monitor, until: Instant) -> Result<(), Failure> {
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && let Some(reading) = monitor.next_within(left)
        {
            self.take(reading)?;
        }
        Ok(())
    }

    /// Nobody tells of statuses, nor of values that are set once more.
    fn look_again(&mut self) -> Result<(), Failure> {
        // Without a server there is nothing new; the monitor goes on when there is one again.
        let readings = self.opened.service.read_many(self.rows.keys()).unwrap_or_default();
        readings.into_iter().flatten().try_for_each(|reading| self.take(Ok(reading)))
    }

    fn take(&mut self, reading: Result<Reading, Error>) -> Result<(), Failure> {
        match reading {
            Ok(reading) => {
                let name = reading.keyword.clone();
                let describe = || self.opened.service.describe(&name).ok();
                let known = self.known.entry(name.clone()).or_insert_with(describe);
                let said = |reading: &Reading| {
                    (reading.text.clone(), reading.status, reading.error.clone())
                };
                let is_new = self.rows.get(&name).map(said) != Some(said(&reading));
                if is_new && self.terminal.is_none() {
                    match self.opened.json {
                        true => {
                            let name = &self.opened.name;
                            print(&reading::object(name, &reading, known.as_ref()))?;
                        }
                        false => {
                            writeln!(io::stdout(), "{}", reading::line(&reading, known.as_ref()))?;
                        }
                    }
                }
                self.rows.insert(name, reading);
                self.problem = None;
            }
            Err(error) if self.terminal.is_some() => self.problem = Some(error.to_string()),
            Err(error) => complain::<Arguments>(&error.to_string()),
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let heads = ["KEYWORD", "STATUS", "AGE", "VALUE"].map(String::from);
        let row = |(name, row): (&String, &Reading)| {
            let known = self.known.get(name).and_then(Option::as_ref);
            [
                shown::text(name.as_bytes()),
                row.status.to_string(),
                row.age().map_or("-".into(), shown::time),
                match row.status {
                    Status::Error => {
                        format!("{} ({})", reading::value(row, known), reading::status(row))
                    }
                    _ => reading::value(row, known),
                },
            ]
        };
        let rows: Vec<_> = std::iter::once(heads).chain(self.rows.iter().map(row)).collect();
        let colours = self.rows.values().map(|row| match row.status {
            Status::Error => Some(Colour::Red),
            Status::Modify => Some(Colour::Yellow),
            _ => row.age().filter(|age| *age < REFRESH).map(|_| Colour::Cyan),
        });
        let colours = std::iter::once(Some(Colour::Bold)).chain(colours);
        let table = shown::table(&rows);
        let line = |(line, colour): (&str, Option<Colour>)| match colour {
            Some(colour) => terminal.coloured(colour, line),
            None => line.to_owned(),
        };
        let mut frame: Vec<_> = table.lines().zip(colours).map(line).collect();
        if let Some(problem) = &self.problem {
            frame.push(terminal.coloured(Colour::Red, &shown::text(problem.as_bytes())));
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.draw(&frame)?;
        }
        Ok(())
    }
}

const FRAME: Duration = Duration::from_millis(100);
/// How often to look at the statuses; also for how long a value is shown as new.
const REFRESH: Duration = Duration::from_secs(1);
