//! Whether jobs that wait slow others down.

use redis_collections_benches::{Section, Table};
use tokio::runtime::Runtime;

use crate::{lines, rate, speeds};

pub(crate) fn measure(runtime: &Runtime) {
    let mut section = Section::new("queue-waiting", "Work queues: waiting jobs", METHOD);
    let heads = [String::new()].into_iter().chain(WAITING.map(|(name, _)| name.to_owned()));
    let mut table = Table::new("Jobs a second while so many wait", heads);
    let names = lines(BATCH, runtime).into_iter().map(|line| vec![line.name.into()]);
    table.rows.extend(names);
    for (_, waiting) in WAITING {
        let mut lines = lines(BATCH, runtime);
        lines.iter_mut().for_each(|line| line.fill(waiting, runtime));
        let speeds = speeds(&mut lines, BATCH, ROUNDS, runtime);
        for (row, [rates, ..]) in table.rows.iter_mut().zip(&speeds) {
            row.push(rate(rates));
        }
    }
    section.tables.push(table);
    section.finish();
}

const METHOD: &str = "The same, with 16 jobs at once, while so many others wait, and go on waiting. \
    A run does not end if its consumers stop or need more than 10 s for it.";
const WAITING: [(&str, usize); 3] = [("0", 0), ("10,000", 10_000), ("100,000", 100_000)];
const BATCH: usize = 16;
const ROUNDS: usize = 3;
