//! What a benchmark records for the report.

use std::path::PathBuf;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::{Samples, markdown};

/// What one benchmark has measured, as it is written to a file of its own.
#[derive(Debug, Serialize, Deserialize)]
pub struct Section {
    /// Names the file.
    pub name: String,
    /// The benchmark that measures it.
    pub bench: String,
    pub title: String,
    /// How it was measured, without any figure of the outcome.
    pub method: String,
    pub tables: Vec<Table>,
    pub plots: Vec<Plot>,
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    pub heads: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    Text(String),
    Figure {
        median: f64,
        /// Of the rounds, if there were several.
        quartiles: Option<[f64; 2]>,
        decimals: usize,
    },
}

/// Lines over a logarithmic x axis.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plot {
    /// Names the file.
    pub name: String,
    pub title: String,
    pub axes: Axes,
    pub series: Vec<Series>,
}

/// What the axes show.
#[derive(Debug, Serialize, Deserialize)]
pub struct Axes {
    pub x: String,
    pub y: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    pub name: String,
    pub is_ours: bool,
    pub points: Vec<(f64, f64)>,
}

/// How many times as fast as another one this crate is at the same work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Comparison {
    pub work: String,
    pub ours: String,
    pub other: String,
    pub times_as_fast: Cell,
}

impl Section {
    pub fn new(name: &str, title: &str, method: &str) -> Self {
        Self {
            name: name.to_owned(),
            bench: this_benchmark(),
            title: title.to_owned(),
            method: method.to_owned(),
            tables: Vec::new(),
            plots: Vec::new(),
            comparisons: Vec::new(),
        }
    }

    /// Records the section for the report, and prints its tables unless an argument is `--quiet`.
    pub fn finish(&self) {
        let file = Self::file(&self.name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, serde_json::to_vec_pretty(self).unwrap()).unwrap();
        if env::args().any(|argument| argument == "--quiet") {
            println!("measured: {}", self.title);
        } else {
            println!("{}. {}\n", self.title, self.method);
            self.tables.iter().for_each(|table| println!("{}", table.to_markdown()));
        }
    }

    /// Reads what a benchmark recorded last.
    pub fn read(name: &str) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(Self::file(name))?)?)
    }

    /// Where a benchmark records, in the folder of what was built: the program itself is in
    /// `<profile>/deps` of it.
    pub fn file(name: &str) -> PathBuf {
        let program = env::current_exe().unwrap();
        program.ancestors().nth(3).unwrap().join("benchmarks").join(format!("{name}.json"))
    }

    /// Records how many times as fast as `other` this crate's `ours` is at the same work.
    pub fn compare(&mut self, work: &str, ours: &str, other: &str, times_as_fast: &Samples) {
        self.comparisons.push(Comparison {
            work: work.to_owned(),
            ours: ours.to_owned(),
            other: other.to_owned(),
            times_as_fast: Cell::measured(times_as_fast, 2),
        });
    }
}

impl Table {
    pub fn new<H: Into<String>>(title: &str, heads: impl IntoIterator<Item = H>) -> Self {
        let heads = heads.into_iter().map(Into::into).collect();
        Self { title: title.to_owned(), heads, rows: Vec::new() }
    }

    /// Gives the title and the table in Markdown.
    pub fn to_markdown(&self) -> String {
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::shown).collect());
        format!("{}:\n\n{}", self.title, markdown::table(&self.heads, rows.collect()))
    }
}

impl Cell {
    pub fn measured(samples: &Samples, decimals: usize) -> Self {
        let quartiles = Some(samples.quartiles());
        Self::Figure { median: samples.median(), quartiles, decimals }
    }

    /// Half of the distance between the quartiles, in percent of the median.
    pub fn spread(&self) -> Option<f64> {
        match self {
            Self::Figure { median, quartiles: Some([low, high]), .. } => {
                Some((high - low) / 2.0 / median * 100.0)
            }
            _ => None,
        }
    }

    /// The median, and the spread of the rounds if there were several.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Figure { median, decimals, .. } => {
                let spread = self.spread().map(|spread| format!(" ±{spread:.0} %"));
                markdown::with_separators(*median, *decimals) + &spread.unwrap_or_default()
            }
        }
    }

    /// A figure that was measured once or counted.
    pub fn figure(figure: f64, decimals: usize) -> Self {
        Self::Figure { median: figure, quartiles: None, decimals }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// Without the digest that cargo appends to the names of programs.
fn this_benchmark() -> String {
    let program = env::current_exe().unwrap();
    let name = program.file_stem().unwrap().to_string_lossy();
    name.rsplit_once('-').map_or(&*name, |(name, _)| name).to_owned()
}
