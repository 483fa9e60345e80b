//! How fast jobs get through, and what they cost.

use redis_collections_benches::{Axes, Cell, Plot, Samples, Section, Series, Table};
use tokio::runtime::Runtime;

use crate::line::{Kind, Line};
use crate::{ends, floor, lines, rate, speeds};

pub(crate) fn measure(runtime: &Runtime) {
    let mut section = Section::new("queue-speed", "Work queues: jobs a second", METHOD);
    let heads = |first: &str| [first.to_owned()].into_iter().chain(BATCHES.map(head));
    let mut rates = Table::new("Jobs a second", heads(""));
    let mut ratios = Table::new("Times the jobs of the best other library", heads(""));
    let mut work = Table::new("Microseconds of processors for a job: program + server", heads(""));
    let names: Vec<_> = lines(1, runtime).iter().map(|line| (line.name, line.kind)).collect();
    let columns = BATCHES.map(|batch| {
        let mut lines = lines(batch, runtime);
        let speeds = speeds(&mut lines, batch, ROUNDS, runtime);
        let best = best_rival(&lines, &speeds);
        (speeds, best)
    });
    let mut series = Vec::new();
    for (index, (name, kind)) in names.iter().enumerate() {
        let row = |cell: &dyn Fn(&[Samples; 3]) -> Cell| {
            let cells = columns.iter().map(|(speeds, _)| cell(&speeds[index]));
            [(*name).into()].into_iter().chain(cells).collect::<Vec<_>>()
        };
        rates.rows.push(row(&|[rates, ..]| rate(rates)));
        work.rows.push(row(&|[_, program, server]| match ends(program) {
            true => format!("{:.1} + {:.1}", program.mean(), server.mean()).into(),
            false => rate(program),
        }));
        if *kind == Kind::Ours {
            let mut row = vec![(*name).into()];
            for (batch, (speeds, best)) in BATCHES.iter().zip(&columns) {
                let ratio = speeds[index][0].over(&speeds[*best][0]);
                row.push(Cell::measured(&ratio, 2));
                section.compare(&format!("jobs, {}", head(*batch)), name, names[*best].0, &ratio);
            }
            ratios.rows.push(row);
        }
        let points = BATCHES.iter().zip(&columns);
        let points = points.map(|(&batch, (speeds, _))| (batch as f64, speeds[index][0].median()));
        let (name, is_ours) = ((*name).to_owned(), *kind == Kind::Ours);
        series.push(Series {
            name,
            is_ours,
            points: points.filter(|(_, rate)| !rate.is_nan()).collect(),
        });
    }
    section.tables.extend([rates, ratios, work, bare_server()]);
    let axes = Axes { x: "jobs at once".to_owned(), y: "jobs a second".to_owned() };
    let (name, title) = ("queue".to_owned(), "Work queues".to_owned());
    section.plots.push(Plot { name, title, axes, series });
    section.finish();
}

fn head(batch: usize) -> String {
    format!("batch {batch}")
}

fn best_rival(lines: &[Line], speeds: &[[Samples; 3]]) -> usize {
    let rivals = (0..lines.len()).filter(|&index| lines[index].kind == Kind::Rival);
    let rivals = rivals.filter(|&index| ends(&speeds[index][0]));
    let rate = |index: &usize| speeds[*index][0].median();
    rivals.max_by(|one, other| rate(one).total_cmp(&rate(other))).unwrap()
}

fn bare_server() -> Table {
    let (pushes, pops, source) = floor::bound();
    let both = 1.0 / (1.0 / pushes + 1.0 / pops);
    let title = "The bare server, sixteen commands at once, in commands a second";
    let mut table = Table::new(title, ["measured by", "LPUSH", "RPOP", "one of each"]);
    let figures = [pushes, pops, both].map(|rate| Cell::figure(rate, 0));
    table.rows.push([source.into()].into_iter().chain(figures).collect());
    table
}

const METHOD: &str = "One producer pushes jobs of 100 bytes, so many at once, and two consumers \
    handle as many at once, all in one process with a server of its own. All but `BLPOP`, which is \
    what a queue could cost at best, deliver at least once. Each library is used as its \
    documentation says it is best. In every run it is checked that each job was handled once.";
const BATCHES: [usize; 4] = [1, 4, 16, 64];
const ROUNDS: usize = 5;
