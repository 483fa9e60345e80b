//! Formats statistics.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use redis_collections::{QueueRates, QueueStats};
use serde_json::{Value, json};

use crate::base64;
use crate::history::History;
use crate::opened::Opened;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;
use redis_collections_cli::terminal::{Colour, Terminal};

/// Prints the present statistics.
pub(crate) fn print(opened: &Opened) -> Result<(), Failure> {
    let stats = opened.queue.stats()?;
    if opened.json {
        print_object(&object(&opened.name, &stats))
    } else {
        Ok(write!(io::stdout(), "{}", shown::table(&rows(&opened.name, &stats)))?)
    }
}

pub(crate) fn object(name: &[u8], stats: &QueueStats) -> Value {
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
        "at_ms": milliseconds(stats.at.duration_since(UNIX_EPOCH).unwrap_or_default()),
    })
}

pub(crate) fn rates_object(rates: QueueRates) -> Value {
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
pub(crate) fn frame(
    terminal: &Terminal,
    name: &[u8],
    stats: &QueueStats,
    history: &History,
) -> Vec<String> {
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

/// Returns the main figures in one line.
pub(crate) fn line(stats: &QueueStats, rates: Option<QueueRates>) -> String {
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
        stats.paused,
        stats.done,
        rate(|rates| rates.done),
        rate(|rates| rates.retried),
        rate(|rates| rates.returned),
        rate(|rates| rates.buried),
    )
}
