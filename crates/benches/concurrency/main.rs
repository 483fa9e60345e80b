//! Many concurrent callers, each of which reads or writes one field of a hash at a time: this crate
//! beside its peers. An argument, `threads` or `tasks`, asks for one of the two kinds of callers.
//!
//! All send the same commands and decode the values to numbers.

mod contestant;
mod ours;
mod tasks;
mod threads;

use redis_collections::{Client, LocalServer, RedisHashDict};
use redis_collections_benches::{Axes, Cell, Plot, Samples, Section, Series, Table, in_turns};
use tokio::runtime::Runtime;

use contestant::{Contestant, Kind, OPERATIONS, Operation};

fn main() {
    let server = LocalServer::start().unwrap();
    let dict: RedisHashDict<u64, u64> =
        RedisHashDict::new(&Client::open(server.url()).unwrap(), HASH);
    let entries: Vec<u64> = (0..FIELDS).collect();
    dict.extend(entries.iter().map(|number| (number, number))).unwrap();

    let arguments: Vec<_> = std::env::args().collect();
    let asked = |kind: &str| arguments.iter().any(|argument| argument == kind);
    if asked("threads") || !asked("tasks") {
        compare("threads", METHOD, &threads::contestants(server.url()));
    }
    if asked("tasks") || !asked("threads") {
        let runtime = Runtime::new().unwrap();
        let workers = runtime.metrics().num_workers();
        let method = format!(
            "{METHOD} The runtime has {workers} worker threads. Two connections are used by turns, \
             call by call."
        );
        compare("tasks", &method, &tasks::contestants(server.url(), &runtime));
    }
}

/// Measures one kind of callers.
fn compare(kind: &str, method: &str, contestants: &[Contestant<'_>]) {
    let name = format!("concurrency-{kind}");
    let mut section = Section::new(&name, &format!("Concurrent callers: {kind}"), method);
    let mut table = Table::new("Operations a second", ["callers", "operation"]);
    table.heads.extend(contestants.iter().map(|contestant| contestant.name.to_owned()));
    table.heads.push(format!("{} of the best other", ours(contestants).name));
    let mut lines = vec![Vec::new(); contestants.len()];
    for operation in OPERATIONS {
        for callers in CALLERS {
            let rates = rates(contestants, operation, callers);
            let (best, ratio) = of_the_best_other(contestants, &rates);
            let work = format!("{}, {kind}: {callers}", operation.name());
            section.compare(&work, ours(contestants).name, best, &ratio);
            let mut row = vec![callers.to_string().into(), operation.name().into()];
            row.extend(rates.iter().map(|rates| Cell::measured(rates, 0)));
            row.push(Cell::measured(&ratio, 2));
            table.rows.push(row);
            if let Operation::Get = operation {
                let points = rates.iter().map(|rates| (callers as f64, rates.median()));
                lines.iter_mut().zip(points).for_each(|(line, point)| line.push(point));
            }
        }
    }
    section.tables.push(table);
    section.plots.push(plot(
        &name,
        &format!("Gets by concurrent {kind}"),
        "gets a second",
        contestants,
        lines,
    ));
    let (table, lines) = latencies(contestants);
    section.tables.push(table);
    let (name, title) =
        (format!("{name}-latency"), format!("Gets by concurrent {kind}: 99 % return within"));
    section.plots.push(plot(&name, &title, "microseconds", contestants, lines));
    section.finish();
}

fn rates(contestants: &[Contestant<'_>], operation: Operation, callers: usize) -> Vec<Samples> {
    let measure = |contestant: &mut &Contestant<'_>| contestant.rate(operation, callers);
    in_turns(contestants, ROUNDS, measure).into_iter().map(|[rates]| rates).collect()
}

/// The best of the other libraries here, and how many times as fast as it this crate is.
fn of_the_best_other<'a>(
    contestants: &[Contestant<'a>],
    rates: &[Samples],
) -> (&'static str, Samples) {
    let of = |kind| {
        let sides = contestants.iter().zip(rates).filter(move |(side, _)| side.kind == kind);
        sides.max_by(|(_, one), (_, other)| one.median().total_cmp(&other.median())).unwrap()
    };
    let ((_, ours), (best, other)) = (of(Kind::Ours), of(Kind::Other));
    (best.name, ours.over(other))
}

fn ours<'a, 'b>(contestants: &'a [Contestant<'b>]) -> &'a Contestant<'b> {
    contestants.iter().find(|contestant| contestant.kind == Kind::Ours).unwrap()
}

type Line = Vec<(f64, f64)>;

/// How soon gets return, in rounds of their own, so that clocks take nothing from the throughput.
fn latencies(contestants: &[Contestant<'_>]) -> (Table, Vec<Line>) {
    let title = "Microseconds within which 50 % and 99 % of the gets return";
    let mut table = Table::new(title, ["callers", "within"]);
    table.heads.extend(contestants.iter().map(|contestant| contestant.name.to_owned()));
    let mut lines = vec![Vec::new(); contestants.len()];
    for callers in CALLERS {
        let measure =
            |contestant: &mut &Contestant<'_>| contestant.latencies(Operation::Get, callers);
        let times = in_turns(contestants, ROUNDS_OF_LATENCY, measure);
        for (index, percentile) in ["50 %", "99 %"].into_iter().enumerate() {
            let mut row = vec![callers.to_string().into(), percentile.into()];
            row.extend(times.iter().map(|times| Cell::measured(&times[index], 0)));
            table.rows.push(row);
        }
        let points = times.iter().map(|[_, slow]| (callers as f64, slow.median()));
        lines.iter_mut().zip(points).for_each(|(line, point)| line.push(point));
    }
    (table, lines)
}

fn plot(
    name: &str,
    title: &str,
    y: &str,
    contestants: &[Contestant<'_>],
    lines: Vec<Line>,
) -> Plot {
    let series = contestants.iter().zip(lines).map(|(contestant, points)| Series {
        name: contestant.name.to_owned(),
        is_ours: contestant.kind != Kind::Other,
        points,
    });
    let axes = Axes { x: "callers".to_owned(), y: y.to_owned() };
    Plot { name: name.to_owned(), title: title.to_owned(), axes, series: series.collect() }
}

const METHOD: &str = "Many callers of one process use one hash at the same time, with `HGET` and \
    `HSET` of small numbers. In parentheses is the number of connections. All clients have \
    `TCP_NODELAY` and a response timeout of 5 s. Latency is measured in rounds of its own.";
const HASH: &str = "numbers";
/// Each field holds its own number.
const FIELDS: u64 = 1000;
const CALLERS: [usize; 5] = [1, 2, 8, 64, 256];
/// An odd number, so that there is a median round.
const ROUNDS: usize = 7;
const ROUNDS_OF_LATENCY: usize = 3;
