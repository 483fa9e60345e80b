//! Prints statistics, once or repeatedly.

use std::io::{self, Write};
use std::time::Duration;

use redis_collections::{QueueRates, QueueStats};
use serde_json::{Value, json};

use crate::base64;
use crate::history::History;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::terminal::{Colour, Terminal};
use redis_collections_cli::{shown, stop};

/// A queue whose jobs are arbitrary bytes.
pub(crate) type Bytes = redis_collections::WorkQueue<Vec<u8>>;

pub(crate) fn once(queue: &Bytes, name: &[u8], as_json: bool) -> Result<(), Failure> {
    let stats = queue.stats()?;
    if as_json {
        writeln!(io::stdout(), "{}", as_object(name, &stats))?;
    } else {
        write!(io::stdout(), "{}", shown::table(&rows(name, &stats)))?;
    }
    Ok(())
}

/// Prints statistics every `interval`, until Ctrl-C, a signal, or standard output has no
/// reader any more.
pub(crate) fn watch(
    queue: &Bytes,
    name: &[u8],
    interval: Duration,
    as_json: bool,
) -> Result<(), Failure> {
    let stopped = stop::stop()?;
    let mut history = History::default();
    let mut terminal = Terminal::of_stdout().filter(|_| !as_json);
    loop {
        let stats = queue.stats()?;
        history.add(stats.clone());
        match &mut terminal {
            Some(terminal) => terminal.draw(&frame(terminal, name, &stats, &history))?,
            None if as_json => {
                let mut object = as_object(name, &stats);
                object["rates"] = history.rates().map(as_rates).into();
                writeln!(io::stdout(), "{object}")?;
            }
            None => writeln!(io::stdout(), "{}", line(&stats, history.rates()))?,
        }
        if stopped.recv_timeout(interval).is_ok() {
            break;
        }
    }
    if terminal.is_some() {
        writeln!(io::stdout())?;
    }
    Ok(())
}

fn as_object(name: &[u8], stats: &QueueStats) -> Value {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "queue": base64::json(name),
        "pending": stats.pending,
        "in_flight": stats.in_flight,
        "delayed": stats.delayed,
        "dead": stats.dead,
        "consumers": stats.consumers,
        "paused": stats.paused,
        "oldest_pending_ms": stats.oldest_pending.map(milliseconds),
        "longest_running_ms": stats.longest_running.map(milliseconds),
        "longest_unstarted_ms": stats.longest_unstarted.map(milliseconds),
        "done": stats.done,
        "retried": stats.retried,
        "returned": stats.returned,
        "buried": stats.buried,
        "settings_replaced": stats.settings_replaced,
        "at_ms": milliseconds(stats.at),
    })
}

fn as_rates(rates: QueueRates) -> Value {
    json!({
        "done": rates.done,
        "retried": rates.retried,
        "returned": rates.returned,
        "buried": rates.buried,
    })
}

fn rows(name: &[u8], stats: &QueueStats) -> [[String; 2]; 15] {
    let time = |time: Option<Duration>| time.map_or("-".into(), shown::time);
    [
        ("queue", shown::text(name)),
        ("paused", if stats.paused { "yes" } else { "no" }.into()),
        ("consumers", stats.consumers.to_string()),
        ("pending", stats.pending.to_string()),
        ("in flight", stats.in_flight.to_string()),
        ("delayed", stats.delayed.to_string()),
        ("dead", stats.dead.to_string()),
        ("oldest pending", time(stats.oldest_pending)),
        ("longest running", time(stats.longest_running)),
        ("longest unstarted", time(stats.longest_unstarted)),
        ("done", stats.done.to_string()),
        ("retried", stats.retried.to_string()),
        ("returned", stats.returned.to_string()),
        ("buried", stats.buried.to_string()),
        ("settings replaced", stats.settings_replaced.to_string()),
    ]
    .map(|(label, value)| [label.to_owned(), value])
}

/// Returns the same rows, with rates and courses.
fn frame(terminal: &Terminal, name: &[u8], stats: &QueueStats, history: &History) -> Vec<String> {
    let rates = history.rates();
    let line = |[label, value]: [String; 2]| {
        let rate = |of: fn(&QueueRates) -> f64| {
            let rate = rates.as_ref().map(|rates| format!("{:.1}/s", of(rates)));
            (rate.unwrap_or_default(), history.course_of_rate(of))
        };
        let course = |of: fn(&QueueStats) -> usize| (String::new(), history.course(of));
        let (rate, course) = match label.as_str() {
            "pending" => course(|stats| stats.pending),
            "in flight" => course(|stats| stats.in_flight),
            "delayed" => course(|stats| stats.delayed),
            "dead" => course(|stats| stats.dead),
            "done" => rate(|rates| rates.done),
            "retried" => rate(|rates| rates.retried),
            "returned" => rate(|rates| rates.returned),
            "buried" => rate(|rates| rates.buried),
            _ => Default::default(),
        };
        let value = format!("{value:>10}");
        let value = match label.as_str() {
            "queue" => terminal.coloured(Colour::Bold, &value),
            "paused" if stats.paused => terminal.coloured(Colour::Yellow, &value),
            "dead" if stats.dead > 0 => terminal.coloured(Colour::Red, &value),
            _ => value,
        };
        let course = terminal.coloured(Colour::Cyan, &course);
        format!("{label:<17} {value} {rate:>10} {course}")
    };
    rows(name, stats).map(line).to_vec()
}

fn line(stats: &QueueStats, rates: Option<QueueRates>) -> String {
    let rate = |of: fn(&QueueRates) -> f64| match &rates {
        Some(rates) => format!("{:.1}", of(rates)),
        None => "-".into(),
    };
    format!(
        "pending={} in_flight={} delayed={} dead={} consumers={} paused={} done={} done/s={} \
         retried/s={} returned/s={} buried/s={}",
        stats.pending,
        stats.in_flight,
        stats.delayed,
        stats.dead,
        stats.consumers,
        if stats.paused { "yes" } else { "no" },
        stats.done,
        rate(|rates| rates.done),
        rate(|rates| rates.retried),
        rate(|rates| rates.returned),
        rate(|rates| rates.buried),
    )
}
