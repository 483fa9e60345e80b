//! Statistics, once and as they are watched.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::ChildStderr;

use redis_collections::{Client, LocalServer, WorkQueue};
use serde_json::{Value, json};

use crate::{NOTHING, PROGRAM, bury, check, objects, rcq};
use support::kinds::SERVER;
use support::program::Case;
use support::program::Said::Failed;
use support::{eventually, send_signal};

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
    rcq("push watched a").output().expect("an end");
    for (options, signal) in [("", "INT"), ("--json", "INT"), ("", "TERM")] {
        let mut command = rcq(&format!("stats watched --watch=100ms {options}"));
        let mut running = command.spawn().expect("the program");
        let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let (first, second) = (line(), line());
        match options {
            "" => {
                assert!(
                    first.starts_with("pending=1 in_flight=0 ")
                        && first.contains(" paused=false ")
                        && first.contains(" done/s=- ")
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
    rcq("push drawn a").output().expect("an end");
    for (variable, coloured) in [(("A", ""), true), (("NO_COLOR", "1"), false)] {
        let is_redrawn = |seen: &str| seen.contains("\x1b[15A");
        let seen = PROGRAM.drawn("stats drawn --watch=100ms", variable, is_redrawn);
        assert!(seen.contains("pending") && seen.contains('▁'), "{seen}");
        assert_eq!(seen.contains("\x1b[36m"), coloured, "{seen}");
    }
}

#[test]
fn a_queue_without_keys_has_no_statistics() {
    let missing = "there is no queue nosuch; `rcq list` lists those of the database";
    check(&[
        Case("stats nosuch", NOTHING, Failed(1, missing)),
        Case("stats nosuch --json", NOTHING, Failed(1, missing)),
        Case("stats nosuch --watch", NOTHING, Failed(1, missing)),
    ]);
    rcq("pause emptied --create").output().expect("an end");
    assert_eq!(objects("stats emptied --json")[0]["pending"], 0, "it is paused");
}

#[test]
fn watched_statistics_survive_a_lost_connection() {
    let mut server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let queue: WorkQueue<String> = WorkQueue::new(&client, "lost");
    queue.push("a").expect("a server");
    let mut command = rcq("stats lost --watch=100ms");
    let mut running = command.env("REDIS_URL", server.url()).spawn().expect("the program");
    let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let mut errors = BufReader::new(running.stderr.take().expect("a pipe")).lines();
    assert!(line().starts_with("pending=1 "));
    server.stop().expect("a process");
    let lost = next_of(&mut errors);
    assert!(lost.starts_with("rcq: ") && lost.contains("connect"), "{lost}");
    server.restart().expect("a server");
    assert_eq!(next_of(&mut errors), "rcq: the server is reachable again");
    queue.push_many(["b", "c"]).expect("a server");
    let pending = format!("pending={} ", queue.len().expect("a server"));
    while !line().starts_with(&pending) {}
    assert!(send_signal("INT", running.id()).expect("kill"));
    assert_eq!(running.wait().expect("an end").code(), Some(0));
    assert_eq!(errors.count(), 0, "one report of each change");
}

fn next_of(errors: &mut std::io::Lines<BufReader<ChildStderr>>) -> String {
    errors.next().expect("a line").expect("text")
}

#[test]
fn a_refusal_ends_watched_statistics() {
    rcq("push refused a").output().expect("an end");
    let mut running = rcq("stats refused --watch=100ms").spawn().expect("the program");
    let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("text");
    let () = support::servers::query(SERVER.url(), "SET refused value").expect("a string");
    assert!(eventually(|| running.try_wait().expect("a process").is_some()));
    let output = running.wait_with_output().expect("an end");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.code() == Some(1) && error.contains("WRONGTYPE"), "{error}");
}

#[test]
fn a_table_shows_that_its_figures_are_stale() {
    let mut server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    WorkQueue::<String>::new(&client, "stale").push("a").expect("a server");
    let arguments = format!("stats stale --watch=100ms --url {}", server.url());
    let mut restarted_at = None;
    let mut is_stopped = false;
    let seen = PROGRAM.drawn(&arguments, ("A", ""), |seen| {
        if !is_stopped && seen.contains("settings replaced") {
            assert!(!seen.contains("stale for"), "{seen}");
            server.stop().expect("a process");
            is_stopped = true;
        }
        if restarted_at.is_none() && seen.contains("stale for ") {
            server.restart().expect("a server");
            restarted_at = Some(seen.len());
        }
        let Some(at) = restarted_at else { return false };
        let fresh = seen[at..].rsplit("stale for ").next().unwrap_or_default();
        fresh.matches("settings replaced").count() > 2
    });
    assert!(seen.contains("\r\x1b[31mstale for "), "{seen}");
}

#[test]
fn a_resized_terminal_is_cleared() {
    rcq("push resized a").output().expect("an end");
    let resize = SERVER.unix_socket().with_file_name("resize");
    let script = format!(
        "(until test -e {}; do sleep 0.02; done; stty rows 12 cols 50 < /dev/tty) & \
         exec {} stats resized --watch=100ms",
        resize.display(),
        PROGRAM.path
    );
    let seen = PROGRAM.drawn_by(&script, ("A", ""), |seen| {
        if seen.contains("\x1b[15A") && !resize.exists() {
            fs::write(&resize, "").expect("a file");
        }
        let cleared = seen.rsplit_once("\x1b[H\x1b[2J");
        cleared.is_some_and(|(_, rest)| rest.contains("\x1b[11A"))
    });
    let (_, cleared) = seen.rsplit_once("\x1b[H\x1b[2J").expect("a cleared terminal");
    assert!(cleared.contains("… 5 more"), "{cleared}");
    assert_eq!(seen.matches("\x1b[2J").count(), 1, "once");
}
