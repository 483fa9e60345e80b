//! Values as they change, in lines and in a table.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use redis_collections::keyword::{Dispatcher, Keyword};
use redis_collections::{Client, LocalServer};
use serde_json::{Value, json};

use crate::{PROGRAM, check, dome, rckey};
use support::kinds::client;
use support::program::Said::Failed;
use support::servers::{PATIENCE, query};
use support::{send_signal, within};

/// The program that goes on until a signal, and the lines that it prints.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(arguments: &str) -> Self {
        let mut child = rckey(arguments).spawn().expect("the program");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|it| line.send(it)));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Waits until the line comes.
    fn expect(&mut self, line: &str) {
        while self.line() != line {}
    }

    fn errors(&mut self) -> impl Iterator<Item = std::io::Result<String>> {
        BufReader::new(self.child.stderr.take().expect("a pipe")).lines()
    }

    fn end(mut self, signal: &str) {
        assert!(send_signal(signal, self.child.id()).expect("kill"));
        assert!(within(PATIENCE, || self.child.try_wait().expect("a process").is_some()));
        assert!(self.lines.iter().all(|line| !line.contains('\x1b')));
        let mut error = String::new();
        let mut from = self.child.stderr.take().expect("a pipe");
        from.read_to_string(&mut error).expect("text");
        let code = self.child.wait().expect("an end").code();
        assert_eq!((code, &error[..]), (Some(0), ""), "{signal}");
    }
}

/// A test that has failed leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn changes_are_watched_until_a_signal() {
    let dome = dome("watched");
    for (azimuth, signal) in [(45.0, "INT"), (46.0, "TERM")] {
        dome.set("AZ", 12.5).expect("a server");
        let mut running = Running::start("watch watched AZ shutter");
        let mut present = [running.line(), running.line()];
        present.sort();
        assert_eq!(present, ["AZ = 12.5 deg", "SHUTTER = closed"]);
        dome.set("LAMP", false).expect("a server");
        dome.set("AZ", azimuth).expect("a server");
        assert_eq!(running.line(), format!("AZ = {azimuth:?} deg"));
        running.end(signal);
    }
    let mut running = Running::start("watch watched --json");
    let all: Vec<Value> =
        (0..6).map(|_| serde_json::from_str(&running.line()).expect("an object")).collect();
    assert!(
        all.iter().all(|reading| reading["service"] == "watched" && reading["status"] != "error")
    );
    dome.set("SHUTTER", "open").expect("a server");
    let change: Value = serde_json::from_str(&running.line()).expect("an object");
    assert_eq!((&change["keyword"], &change["shown"]), (&json!("SHUTTER"), &json!("open")));
    running.end("INT");
}

#[test]
fn no_value_is_watched_after_a_newer_one() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let dispatcher = Dispatcher::builder("busy").keyword(Keyword::integer("COUNT").initial(0));
    let dispatcher = dispatcher.serve(&client).expect("a free name");
    let mut running = Running::start(&format!("watch busy --url {}", server.url()));
    running.expect("COUNT = 0");
    let looks = || {
        let statistics: String = query(server.url(), "INFO commandstats").expect("statistics");
        let calls = statistics.split_once("cmdstat_mget:calls=").expect("a look").1;
        calls.split(',').next().and_then(|calls| calls.parse().ok()).unwrap_or(0_u32)
    };
    let (first, mut last) = (looks(), 0);
    while looks() < first + 3 {
        for _ in 0..500 {
            last += 1;
            dispatcher.set("COUNT", last).expect("a server");
        }
    }
    let mut seen = 0;
    while seen != last {
        let line = running.line();
        let number = line.strip_prefix("COUNT = ").and_then(|it| it.parse().ok()).expect("a count");
        assert!(seen < number, "{number} after {seen}");
        seen = number;
    }
    running.end("INT");
}

#[test]
fn a_refused_value_is_shown_to_watchers() {
    let dome = dome("observed");
    let mut running = Running::start("watch observed AZ");
    running.expect("AZ = 12.5 deg");
    dome.set("AZ", -1.0).expect_err("out of range");
    running.expect("AZ = 12.5 deg (error: -1.0 is not between 0 and 360)");
    dome.set("AZ", 12.5).expect("a server");
    running.expect("AZ = 12.5 deg");
    running.end("INT");
}

#[test]
fn a_watch_reports_the_loss_of_dispatcher_and_server() {
    let mut server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let serve = || {
        let keyword = Keyword::integer("N").initial(1);
        Dispatcher::builder("gone").keyword(keyword).serve(&client).expect("a free name")
    };
    let dispatcher = serve();
    let watch =
        |options: &str| Running::start(&format!("watch gone {options} --url {}", server.url()));
    let (mut lines, mut objects) = (watch(""), watch("--json"));
    let mut is_served = |expected: bool| loop {
        let object: Value = serde_json::from_str(&objects.line()).expect("an object");
        if object["served"] == expected {
            break;
        }
    };
    lines.expect("N = 1");
    is_served(true);
    drop(dispatcher);
    lines.expect("N = 1 (not served)");
    is_served(false);
    let _dispatcher = serve();
    lines.expect("N = 1");
    is_served(true);
    let mut errors = lines.errors();
    server.stop().expect("a process");
    let lost = errors.next().expect("a line").expect("text");
    assert!(lost.starts_with("rckey: "), "{lost}");
    server.restart().expect("a server");
    assert_eq!(
        errors.next().expect("a line").expect("text"),
        "rckey: the server is reachable again"
    );
}

#[test]
fn a_watch_requires_existing_keywords() {
    let _dome = dome("begun");
    check([
        ("watch nowhere", Failed(1, "nowhere has no keywords")),
        ("watch begun AZ NONE", Failed(1, "rckey: NONE: there is no such keyword")),
        ("watch begun SECRET", Failed(1, "rckey: SECRET: refused: it is write-only")),
    ]);
}

#[test]
fn a_keyword_that_comes_later_is_watched_too() {
    let note = || Keyword::string("NOTE").initial("a");
    let first = Dispatcher::builder("grown").keyword(note()).serve(&client()).expect("a free name");
    let mut running = Running::start("watch grown");
    running.expect("NOTE = a");
    first.shutdown().expect("an end");
    let azimuth = Keyword::double("AZ").units("deg").initial(1);
    let grown = Dispatcher::builder("grown").keyword(note()).keyword(azimuth);
    let _grown = grown.serve(&client()).expect("a free name");
    running.expect("AZ = 1.0 deg");
    running.end("INT");
}

#[test]
fn a_table_is_redrawn_in_place_on_a_terminal() {
    let dome = dome("drawn");
    for (variable, coloured) in [(("A", ""), true), (("NO_COLOR", "1"), false)] {
        dome.set("AZ", 12.5).expect("a server");
        let mut is_set = false;
        let seen = PROGRAM.drawn("watch drawn AZ SHUTTER", variable, |seen| {
            if !is_set && seen.contains("12.5 deg") && seen.contains("\x1b[4A") {
                dome.set("AZ", 99.0).expect("a server");
                is_set = true;
            }
            is_set && seen.contains("99.0 deg")
        });
        assert!(seen.contains("drawn is served") && seen.contains("  AGE"), "{seen}");
        assert!(seen.contains("SHUTTER  closed"), "{seen}");
        assert_eq!(seen.contains("\x1b[36m"), coloured, "{seen}");
    }
}

#[test]
fn a_table_shows_errors_and_an_absent_dispatcher() {
    let mut dome = Some(dome("wrong"));
    let seen = PROGRAM.drawn("watch wrong AZ", ("A", ""), |seen| {
        if let Some(dome) = dome.take_if(|_| seen.contains("wrong is served")) {
            dome.set("AZ", -1.0).expect_err("out of range");
            dome.shutdown().expect("an end");
        }
        seen.contains("wrong is not served") && seen.contains("error: -1.0 is not between")
    });
    assert!(seen.contains("\x1b[31mAZ "), "{seen}");
}
