//! Where this crate is faster, and where it is slower.

use redis_collections_benches::{Cell, Comparison, Samples, Section, Table};

use crate::wrapped;

pub(crate) fn of(sections: &[Section]) -> String {
    let mut all: Vec<_> = sections.iter().flat_map(|section| &section.comparisons).collect();
    all.sort_by(|one, other| ratio(one)[1].total_cmp(&ratio(other)[1]));
    let slower = table("Slower than the other, the slowest first", &all, |[_, _, high]| high < 1.0);
    let even = |[low, _, high]: [f64; 3]| low <= 1.0 && high >= 1.0;
    let even = table("No difference that this run can tell", &all, even);
    all.reverse();
    let faster = table("Faster than the other, the fastest first", &all, |[low, ..]| low > 1.0);
    let counts = [&slower, &even, &faster].map(|table| table.rows.len());
    let text = format!(
        "Of {} comparisons, this crate is slower in {}, as fast within the spread in {} and faster \
         in {}. \"Times as fast\" is above 1 where it is faster. Slower or faster means that the \
         middle half of the rounds is on that side of 1. A quiet machine \
         makes for small spreads: in this run half of the figures with a ± have one of at most \
         {:.0} %.",
        all.len(),
        counts[0],
        counts[1],
        counts[2],
        typical_spread(sections)
    );
    let mut text = format!("## Faster or slower\n\n{}\n", wrapped(&text));
    for table in [slower, even, faster].iter().filter(|table| !table.rows.is_empty()) {
        text += &format!("\n{}", table.to_markdown());
    }
    text
}

fn table(title: &str, all: &[&Comparison], belongs: impl Fn([f64; 3]) -> bool) -> Table {
    let mut table = Table::new(title, ["work", "this crate", "the other", "times as fast"]);
    for comparison in all.iter().filter(|comparison| belongs(ratio(comparison))) {
        let Comparison { work, ours, other, times_as_fast } = comparison;
        let texts = [work, ours, other].map(|text| (&**text).into());
        table.rows.push(texts.into_iter().chain([times_as_fast.clone()]).collect());
    }
    table
}

/// The median of all spreads, in percent.
fn typical_spread(sections: &[Section]) -> f64 {
    let tables = sections.iter().flat_map(|section| &section.tables);
    let cells = tables.flat_map(|table| table.rows.iter().flatten());
    cells.filter_map(Cell::spread).collect::<Samples>().median()
}

/// The lower quartile, the median and the upper quartile.
fn ratio(comparison: &Comparison) -> [f64; 3] {
    match comparison.times_as_fast {
        Cell::Figure { median, quartiles: Some([low, high]), .. } => [low, median, high],
        _ => unreachable!("a comparison is measured in rounds"),
    }
}
