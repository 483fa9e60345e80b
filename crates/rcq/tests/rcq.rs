//! The program `rcq`, as it is run.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use redis_collections::{Client, LocalServer, WorkQueue};
use serde_json::{Value, json};
use support::kinds::{CLUSTER, SERVER, client};
use support::program::Said::{Failed, Out};
use support::program::{Case, Program, fed};
use support::{eventually, send_signal};

const PROGRAM: Program = Program { name: "rcq", path: env!("CARGO_BIN_EXE_rcq") };

/// The program with arguments that have no spaces in them.
fn rcq(arguments: &str) -> Command {
    PROGRAM.command(arguments)
}

fn check(cases: &[Case]) {
    PROGRAM.check(cases);
}

fn objects(arguments: &str) -> Vec<Value> {
    PROGRAM.objects(arguments)
}

fn queue(name: &str) -> WorkQueue<Vec<u8>> {
    WorkQueue::new(&client(), name)
}

/// Claims the next jobs and buries them.
fn bury(name: &str, jobs: usize, reason: &str) {
    let mut consumer = queue(name).consumer();
    for _ in 0..jobs {
        consumer.next(Duration::ZERO).expect("a server").expect("a job").bury(reason);
    }
    consumer.close().expect("a server");
}

const NOTHING: &[u8] = b"";

#[test]
fn jobs_are_pushed_and_seen() {
    check(&[
        Case("peek seen", NOTHING, Out("")),
        Case("push seen a b", NOTHING, Out("pushed 2 to seen, 2 pending\n")),
        Case("push seen", b"c d\n\n\xff", Out("pushed 3 to seen, 5 pending\n")),
        Case("push seen", NOTHING, Out("pushed 0 to seen\n")),
        Case(
            "push seen --json -- -e",
            NOTHING,
            Out("{\"pending\":6,\"pushed\":1,\"queue\":\"seen\"}\n"),
        ),
        Case("peek seen", NOTHING, Out("a\nb\nc d\n\n\\xff\n-e\n")),
        Case("peek -n 1 seen", NOTHING, Out("a\n")),
        Case("peek seen --count 0", NOTHING, Out("")),
        Case("push later a b --delay 2h", NOTHING, Out("pushed 2 to later, due in 2h 0m\n")),
        Case("push later --delay 250ms", b"c\n", Out("pushed 1 to later, due in 250ms\n")),
    ]);
    assert_eq!(queue("seen").len().expect("a server"), 6, "nothing was claimed");
    assert_eq!(objects("stats later --json")[0]["delayed"], 3);
}

#[test]
fn json_represents_bytes_that_are_not_text() {
    check(&[
        Case("push any", b"a\tb\n\xff\xfe\x00\n", Out("pushed 2 to any, 2 pending\n")),
        Case("peek any", NOTHING, Out("a\\tb\n\\xff\\xfe\\u{0}\n")),
    ]);
    let job = |job| json!({ "job": job, "id": null, "deliveries": 0 });
    let expected = [job(json!("a\tb")), job(json!({ "base64": "//4A" }))];
    assert_eq!(objects("peek any --json"), expected);
    let mut pause = rcq("pause --json");
    let pause = pause.arg(std::ffi::OsString::from_vec(b"\xff".to_vec())).output().expect("an end");
    assert_eq!(pause.stdout, b"{\"paused\":true,\"queue\":{\"base64\":\"/w==\"}}\n");
}

#[test]
fn lines_are_pushed_as_they_come() {
    let mut running = rcq("push coming").stdin(Stdio::piped()).spawn().expect("the program");
    let mut input = running.stdin.take().expect("a pipe");
    for number in 1..=2 {
        writeln!(input, "job").expect("a reader");
        assert!(eventually(|| queue("coming").len().expect("a server") == number));
    }
    drop(input);
    assert_eq!(
        running.wait_with_output().expect("an end").stdout,
        b"pushed 2 to coming, 2 pending\n"
    );
    let many = b"job\n".repeat(2500);
    check(&[Case("push many", &many, Out("pushed 2500 to many, 2500 pending\n"))]);
}

#[test]
fn a_failed_push_reports_how_many_jobs_were_pushed() {
    let mut running = rcq("push broken").stdin(Stdio::piped()).spawn().expect("the program");
    let mut input = running.stdin.take().expect("a pipe");
    input.write_all(b"a\nb\n").expect("a reader");
    assert!(eventually(|| queue("broken").len().expect("a server") == 2));
    let () = support::servers::query(SERVER.url(), "SET broken value").expect("a string");
    input.write_all(b"c\n").expect("a reader");
    let output = running.wait_with_output().expect("an end");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(
        error.contains("WRONGTYPE") && error.ends_with("; pushed before the failure: 2\n"),
        "{error}"
    );
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
}

#[test]
fn a_unique_job_is_pushed_once() {
    check(&[
        Case("push once a --unique k", NOTHING, Out("pushed 1 to once, 1 pending\n")),
        Case(
            "push once b -k k",
            NOTHING,
            Out("pushed 0 to once, this key was pushed within the time window\n"),
        ),
        Case(
            "push once b -k k --json",
            NOTHING,
            Out("{\"pending\":null,\"pushed\":0,\"queue\":\"once\"}\n"),
        ),
        Case("push once b -k l --within 5m", NOTHING, Out("pushed 1 to once, 2 pending\n")),
        Case("push once b c -k m", NOTHING, Failed(2, "--unique takes exactly one job")),
        Case("push once -k m", b"b\n", Failed(2, "<JOB>")),
        Case("push once b -k m --delay 1s", NOTHING, Failed(2, "cannot be used with")),
        Case("push once b --within 1s", NOTHING, Failed(2, "--unique <KEY>")),
    ]);
}

#[test]
fn a_queue_is_paused_and_resumed() {
    check(&[
        Case("pause still", NOTHING, Out("paused still\n")),
        Case("pause still --json", NOTHING, Out("{\"paused\":true,\"queue\":\"still\"}\n")),
        Case("resume still", NOTHING, Out("resumed still\n")),
        Case("resume still", NOTHING, Out("still was not paused\n")),
        Case(
            "resume still --json",
            NOTHING,
            Out("{\"paused\":false,\"queue\":\"still\",\"was_paused\":false}\n"),
        ),
    ]);
    rcq("pause still").output().expect("an end");
    assert!(queue("still").is_paused().expect("a server"));
    assert_eq!(objects("stats still --json")[0]["paused"], true);
}

#[test]
fn dead_jobs_are_listed_requeued_and_purged() {
    check(&[
        Case("dead list dead", NOTHING, Out("")),
        Case("push dead a b c", NOTHING, Out("pushed 3 to dead, 3 pending\n")),
    ]);
    bury("dead", 3, "no such address");
    let list = rcq("dead list dead -n 2").output().expect("an end");
    let list = String::from_utf8(list.stdout).expect("text");
    let lines: Vec<_> = list.lines().collect();
    assert!(lines.len() == 3 && lines[0].ends_with("DELIVERIES  REASON           JOB"), "{list}");
    assert!(lines[1].ends_with("  1           no such address  a"), "{list}");
    let dead = objects("dead list dead --json");
    assert_eq!((dead.len(), &dead[2]["job"], &dead[2]["deliveries"]), (3, &json!("c"), &json!(1)));
    assert_eq!(dead[0]["reason"], "no such address");
    assert!(dead[0]["since_ms"].as_u64() <= objects("stats dead --json")[0]["at_ms"].as_u64());
    check(&[
        Case("dead requeue dead --count 1", NOTHING, Out("requeued 1 in dead\n")),
        Case("peek dead", NOTHING, Out("a\n")),
        Case("dead requeue dead --json", NOTHING, Out("{\"queue\":\"dead\",\"requeued\":2}\n")),
        Case("dead purge dead", NOTHING, Out("no dead jobs in dead\n")),
    ]);
    bury("dead", 1, "");
    check(&[
        Case("dead purge dead --json", NOTHING, Out("{\"purged\":true,\"queue\":\"dead\"}\n")),
        Case("dead list dead", NOTHING, Out("")),
        Case("peek dead", NOTHING, Out("b\nc\n")),
    ]);
}

#[test]
fn a_drain_ends_when_the_queue_is_empty_or_at_its_timeout() {
    check(&[
        Case("drain dry", NOTHING, Out("drained dry\n")),
        Case("drain dry --json -t 5m", NOTHING, Out("{\"drained\":true,\"queue\":\"dry\"}\n")),
        Case("push wet a", NOTHING, Out("pushed 1 to wet, 1 pending\n")),
        Case("drain wet --timeout 10ms", NOTHING, Failed(3, "wet was not drained in time")),
        Case("drain wet --timeout 0", NOTHING, Failed(3, "wet was not drained in time")),
    ]);
    let late = rcq("drain wet --timeout 0 --json").output().expect("an end");
    assert_eq!(
        (late.stdout.as_slice(), late.status.code()),
        (&b"{\"drained\":false,\"queue\":\"wet\"}\n"[..], Some(3))
    );
    let late = PROGRAM.unread("drain wet --timeout 0 --json");
    assert_eq!(late, (Some(3), "rcq: wet was not drained in time\n".to_owned()));
    let drain = rcq("drain wet").spawn().expect("the program");
    bury("wet", 1, "");
    assert_eq!(drain.wait_with_output().expect("an end").stdout, b"drained wet\n");
}

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
fn a_closed_pipe_is_no_failure() {
    fed(&mut rcq("push wide"), &b"job\n".repeat(1000));
    for arguments in ["peek wide -n 1000", "stats wide --watch 100ms", "stats wide", "--help"] {
        PROGRAM.check_with_a_closed_pipe(arguments);
    }
    for arguments in ["stats wide --watch 1h", "stats wide --watch 1h --json"] {
        PROGRAM.check_when_its_reader_leaves(arguments);
    }
}

#[test]
fn wrong_usage_is_reported_in_one_line() {
    check(&[
        Case("peak mail", NOTHING, Failed(2, "a similar subcommand exists: 'peek'; Usage: rcq")),
        Case("peek", NOTHING, Failed(2, "<QUEUE>")),
        Case("peek mail --cuont 1", NOTHING, Failed(2, "a similar argument exists: '--count'")),
        Case("peek mail -n x", NOTHING, Failed(2, "invalid value 'x' for '--count")),
        Case("stats --watch mail", NOTHING, Failed(2, "a time is written like 250ms")),
        Case("stats mail --watch 0", NOTHING, Failed(2, "100ms is the shortest")),
        Case("push mail a --delay 5x", NOTHING, Failed(2, "a time is written like 250ms")),
        Case("drain mail extra", NOTHING, Failed(2, "unexpected argument 'extra'")),
        Case("stats mail --url nonsense", NOTHING, Failed(2, "invalid configuration")),
    ]);
    for arguments in ["", "dead"] {
        let output = rcq(arguments).output().expect("an end");
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]), "{arguments}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: rcq"), "{arguments}");
    }
}

#[test]
fn a_refusal_of_the_server_is_a_failure() {
    let () = support::servers::query(SERVER.url(), "SET string value").expect("a string");
    let wrong_type = Failed(1, "\"string\": the server says WRONGTYPE");
    check(&[
        Case("push string a", NOTHING, Failed(1, "RPUSH \"string\": the server says WRONGTYPE")),
        Case("peek string", NOTHING, Failed(1, "LRANGE \"string\": the server says WRONGTYPE")),
        Case("stats string", NOTHING, wrong_type),
        Case("drain string", NOTHING, Failed(1, "WRONGTYPE")),
    ]);
}

#[test]
fn a_server_that_is_down_is_a_failure_without_its_password() {
    let mut server = LocalServer::start().expect("a server");
    let address = format!("127.0.0.1:{}", server.port());
    server.stop().expect("a process");
    let url = format!("redis://ann:5ecret@{address}/");
    let connect = format!("rcq: cannot connect to {address}");
    for (arguments, code, expected) in [
        (vec!["stats", "mail"], 1, connect.as_str()),
        (vec!["stats", "mail", "--watch"], 1, &connect),
        (vec!["push", "mail", "job"], 1, &connect),
        (vec!["stats", "mail", &url], 2, "rcq: unexpected argument 'redis://…'"),
        (vec!["stats", "mail", "unix:///s?pass=5ecret"], 2, "rcq: unexpected argument 'unix://…'"),
        (
            vec!["stats", "mail", "unix:///s?pass=a  5ecret"],
            2,
            "rcq: unexpected argument 'unix://…'",
        ),
        (vec!["stats", "mail", "unix:///s?pass=\n\n5ecret"], 2, "rcq: unexpected argument 'unix"),
        (vec!["stats", "mail", "ann:5ecret@host"], 2, "rcq: unexpected argument '…@host'"),
        (
            vec!["stats", "mail", "--url", "unix:///s?password=5ecret"],
            2,
            "rcq: invalid configuration",
        ),
        (vec!["stats", "mail", "--url", "redis://ann:1#5ecret@x"], 2, "rcq: invalid configuration"),
        (vec!["stats", "mail", "--url", "redis://ann:1?5ecret@x"], 2, "rcq: invalid configuration"),
        (vec!["stats", "mail", "--url", "http://ann:5ecret@x"], 2, "rcq: invalid configuration"),
    ] {
        let output = rcq("").args(&arguments).env("REDIS_URL", &url).output().expect("an end");
        let error = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), error.lines().count()), (Some(code), 1), "{error}");
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("5ecret"), "{error}");
    }
    let help = rcq("--help").env("REDIS_URL", &url).output().expect("an end");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("5ecret"));
}

#[test]
fn a_cluster_needs_a_hash_tag() {
    let url = &CLUSTER.urls()[0];
    check(&[
        Case(
            &format!("push --cluster --url {url} {{mail}} a"),
            NOTHING,
            Out("pushed 1 to {mail}, 1 pending\n"),
        ),
        Case(&format!("peek --cluster --url {url} {{mail}}"), NOTHING, Out("a\n")),
        Case(
            &format!("stats --cluster --url {url} mail"),
            NOTHING,
            Failed(2, "{jobs} rather than jobs"),
        ),
    ]);
    let cluster = Client::cluster([url]).expect("a cluster");
    let queue: WorkQueue<String> = WorkQueue::new(&cluster, "{mail}");
    assert_eq!(queue.len().expect("a cluster"), 1);
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
