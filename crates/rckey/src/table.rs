//! The table of watched values.

use std::iter;
use std::time::{Duration, Instant};

use redis_collections::keyword::{Description, Reading, Status};

use crate::reading;
use redis_collections_cli::shown;
use redis_collections_cli::terminal::{Colour, Terminal};

/// The last reading of a keyword, and when it changed.
pub(crate) struct Row {
    pub(crate) reading: Reading,
    pub(crate) changed: Instant,
}

impl Row {
    pub(crate) fn says_the_same_as(&self, other: &Reading) -> bool {
        let said = |it: &Reading| (it.text.clone(), it.status, it.error.clone(), it.is_served);
        said(&self.reading) == said(other)
    }

    fn cells(&self, known: Option<&Description>) -> [String; 4] {
        let Self { reading, .. } = self;
        [
            shown::text(reading.keyword.as_bytes()),
            shown::shortened(reading::value(reading, known), WIDEST),
            reading.age().map_or("-".into(), shown::time),
            reading::status(reading),
        ]
    }

    fn colour(&self) -> Option<Colour> {
        match self.reading.status {
            Status::Error => Some(Colour::Red),
            Status::Modify => Some(Colour::Yellow),
            _ => (self.changed.elapsed() < NEW).then_some(Colour::Cyan),
        }
    }
}

/// Returns a headline, and one line for each row.
pub(crate) fn frame<'a>(
    terminal: &Terminal,
    head: &str,
    rows: impl Iterator<Item = &'a Row> + Clone,
    known: impl Fn(&str) -> Option<&'a Description>,
) -> Vec<String> {
    let titles = ["KEYWORD", "VALUE", "AGE", "STATUS"].map(String::from);
    let cells = rows.clone().map(|row| row.cells(known(&row.reading.keyword)));
    let table = shown::table(&iter::once(titles).chain(cells).collect::<Vec<_>>());
    let lines = iter::once(shown::text(head.as_bytes())).chain(table.lines().map(String::from));
    let bold = [Some(Colour::Bold); 2].into_iter();
    let line = |(line, colour): (String, Option<Colour>)| match colour {
        Some(colour) => terminal.coloured(colour, &line),
        None => line,
    };
    lines.zip(bold.chain(rows.map(Row::colour))).map(line).collect()
}

/// For how long a change is highlighted.
const NEW: Duration = Duration::from_secs(1);
const WIDEST: usize = 40;
