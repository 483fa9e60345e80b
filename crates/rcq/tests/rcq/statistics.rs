//! Statistics, once and as they are watched.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::{PROGRAM, bury, objects, rcq};
use support::send_signal;

#[test]
fn statistics_report_the_state_of_the_queue() {
    rcq("push stats a b c").output().expect("an end");
    bury("stats", 1, "");
    let output = rcq("stats stats").output().expect("an end");
    let table = String::from_utf8(output.stdout).expect("text");
    for row in [
        "queue              stats",
        "pending            2",
        "dead               1",
        "paused             no",
        "longest running    -",
    ] {
        assert!(table.lines().any(|line| line == row), "{row}: {table}");
    }
    let age = table.lines().find_map(|line| line.strip_prefix("oldest pending     "));
    assert!(age.is_some_and(|age| age.ends_with('s')), "{table}");
    let stats = objects("--json stats stats").remove(0);
    let names: Vec<_> = stats.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "at_ms buried consumers dead delayed done in_flight longest_running_ms \
        longest_unstarted_ms oldest_pending_ms paused pending queue retried returned \
        settings_replaced"
    );
    assert_eq!(
        (&stats["pending"], &stats["dead"], &stats["buried"]),
        (&json!(2), &json!(1), &json!(1))
    );
}

#[test]
fn statistics_are_watched_until_a_signal() {
    for (options, signal) in [("", "INT"), ("--json", "INT"), ("", "TERM")] {
        let mut command = rcq(&format!("stats watched --watch 100ms {options}"));
        let mut running = command.spawn().expect("the program");
        let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let (first, second) = (line(), line());
        match options {
            "" => {
                assert!(
                    first.starts_with("pending=0 in_flight=0 ") && first.contains(" done/s=- ")
                );
                assert!(second.contains(" done/s=0.0 "), "{second}");
            }
            _ => {
                let rates = |line: &str| {
                    serde_json::from_str::<Value>(line).expect("json")["rates"].clone()
                };
                assert_eq!((rates(&first), &rates(&second)["done"]), (Value::Null, &json!(0.0)));
            }
        }
        assert!(send_signal(signal, running.id()).expect("kill"));
        let rest: Vec<_> = lines.map(|line| line.expect("text")).collect();
        let output = running.wait_with_output().expect("an end");
        assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]), "{signal}");
        assert!(rest.iter().all(|line| !line.contains('\x1b')));
    }
}

#[test]
fn a_table_is_redrawn_in_place_on_a_terminal() {
    for (variable, coloured) in [(("A", ""), true), (("NO_COLOR", "1"), false)] {
        let is_redrawn = |seen: &str| seen.contains("\x1b[15A");
        let seen = PROGRAM.drawn("stats drawn --watch 100ms", variable, is_redrawn);
        assert!(seen.contains("pending") && seen.contains('▁'), "{seen}");
        assert_eq!(seen.contains("\x1b[36m"), coloured, "{seen}");
    }
}
