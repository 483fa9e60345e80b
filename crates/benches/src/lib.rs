//! How every benchmark measures in turns, and records what it found for the report.

mod markdown;
mod results;
mod samples;

pub use markdown::with_separators;
pub use results::{Axes, Cell, Comparison, Plot, Section, Series, Table};
pub use samples::{Samples, in_turns};
