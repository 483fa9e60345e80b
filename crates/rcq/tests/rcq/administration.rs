//! The administration of queues.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use redis_collections::{Client, LocalServer, RedisList, WorkQueue};
use serde_json::json;

use crate::{NOTHING, PROGRAM, bury, check, objects, queue, rcq};
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::servers::query;
use support::{LATE, eventually};

#[test]
fn a_queue_is_paused_and_resumed() {
    check(&[
        Case("push still a", NOTHING, Out("pushed 1 to still, 1 pending\n")),
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
        Case("push dead a b c", NOTHING, Out("pushed 3 to dead, 3 pending\n")),
        Case("dead list dead", NOTHING, Out("")),
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
        Case("dead purge dead -y", NOTHING, Out("purged 0 dead jobs of dead\n")),
    ]);
    bury("dead", 2, "");
    check(&[
        Case("dead purge dead", b"y\n", Failed(2, "standard input is no terminal; pass --yes")),
        Case("dead purge dead --yes --json", NOTHING, Out("{\"purged\":2,\"queue\":\"dead\"}\n")),
        Case("dead list dead", NOTHING, Out("")),
        Case("peek dead", NOTHING, Out("c\n")),
    ]);
    bury("dead", 1, "");
    let (code, seen) = PROGRAM.answered("dead purge dead", "n\n");
    assert!(code == Some(1) && seen.contains("Remove 1 dead jobs of dead? [y/N]"), "{seen}");
    let (code, seen) = PROGRAM.answered("dead purge dead", "y\n");
    assert!(code == Some(0) && seen.contains("purged 1 dead jobs of dead"), "{seen}");
}

#[test]
fn a_long_reason_is_cut_in_the_table() {
    rcq("push long a").output().expect("an end");
    bury("long", 1, &"x".repeat(200));
    let list = texts(&rcq("dead list long").output().expect("an end")).0;
    assert!(list.ends_with(&format!("  {}…  a\n", "x".repeat(79))), "{list}");
    assert_eq!(objects("dead list long --json")[0]["reason"], "x".repeat(200));
}

#[test]
fn a_queue_that_does_not_exist_can_only_be_pushed_to_or_created() {
    for command in [
        "stats",
        "running",
        "peek",
        "pause",
        "resume",
        "purge -y",
        "dead list",
        "dead requeue",
        "dead purge -y",
        "drain",
    ] {
        check(&[Case(
            &format!("{command} typo"),
            NOTHING,
            Failed(1, "there is no queue typo; `rcq list`"),
        )]);
    }
    assert!(!queue("typo").exists().expect("a server"), "none of them creates it");
    check(&[
        Case("pause early --create", NOTHING, Out("paused early\n")),
        Case("pause early", NOTHING, Out("paused early\n")),
        Case("drain early", NOTHING, Out("drained early\n")),
    ]);
}

#[test]
fn an_empty_queue_exists_once_consumers_have_claimed_from_it() {
    rcq("push worked a").output().expect("an end");
    let mut consumer = queue("worked").consumer();
    consumer.next(LATE).expect("a server").expect("a job").done_now().expect("a server");
    consumer.close().expect("a server");
    check(&[
        Case("drain worked", NOTHING, Out("drained worked\n")),
        Case("peek worked", NOTHING, Out("")),
    ]);
}

#[test]
fn a_drain_waits_out_an_outage_within_its_time() {
    let mut server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let queue: WorkQueue<Vec<u8>> = WorkQueue::new(&client, "out");
    queue.pause().expect("a server");
    queue.push(b"a").expect("a server");
    let drain = |options: &str| {
        let command = format!("drain out --url {} {options}", server.url());
        let mut running = rcq(&command).spawn().expect("the program");
        let lines = BufReader::new(running.stderr.take().expect("a pipe")).lines();
        (running, lines)
    };
    let waiting = || {
        let clients: String = query(server.url(), "CLIENT LIST").expect("a server");
        clients.lines().filter(|client| client.contains(" cmd=eval")).count()
    };
    let (long, mut errors) = drain("--timeout 1m");
    let (mut short, mut late) = drain("--timeout 3s");
    assert!(eventually(|| waiting() == 2));
    server.stop().expect("a process");
    for errors in [&mut errors, &mut late] {
        let outage = errors.next().expect("a line").expect("text");
        assert!(outage.starts_with("rcq: "), "{outage}");
    }
    assert_eq!(short.wait().expect("an end").code(), Some(3));
    let end = late.next().expect("a line").expect("text");
    assert_eq!(end, "rcq: out was not drained in time");
    server.restart().expect("a server");
    let out = long.wait_with_output().expect("an end");
    assert_eq!((out.status.code(), out.stdout), (Some(0), b"drained out\n".to_vec()));
    assert_eq!(errors.count(), 0, "one report of the outage");
}

#[test]
fn a_drain_ends_when_the_queue_is_empty_or_at_its_timeout() {
    check(&[
        Case("pause dry --create", NOTHING, Out("paused dry\n")),
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
fn a_purge_must_be_confirmed() {
    check(&[
        Case("push purged a b", NOTHING, Out("pushed 2 to purged, 2 pending\n")),
        Case("push purged c --delay 2h", NOTHING, Out("pushed 1 to purged, due in 2h 0m\n")),
        Case("purge purged", NOTHING, Failed(2, "pass --yes")),
        Case("purge purged", b"y\n", Failed(2, "standard input is no terminal")),
    ]);
    for answer in ["n\n", "\n", "yep\n"] {
        let (code, seen) = PROGRAM.answered("purge purged", answer);
        assert!(seen.contains("Remove 2 pending and 1 delayed jobs of purged? [y/N]"), "{seen}");
        assert!(code == Some(1) && seen.contains("rcq: not confirmed: nothing was done"), "{seen}");
    }
    assert_eq!(queue("purged").len().expect("a server"), 2);
    let (code, seen) = PROGRAM.answered("purge purged", "y\n");
    assert!(code == Some(0) && seen.contains("purged 3 jobs of purged"), "{seen}");
    check(&[
        Case("push purged a", NOTHING, Out("pushed 1 to purged, 1 pending\n")),
        Case("purge purged --yes --json", NOTHING, Out("{\"purged\":1,\"queue\":\"purged\"}\n")),
        Case("purge nosuch -y", NOTHING, Failed(1, "there is no queue nosuch")),
    ]);
}

#[test]
fn queues_are_listed_with_their_contents() {
    let server = LocalServer::start().expect("a server");
    let url = server.url();
    let list = format!("list --url {url}");
    check(&[Case(&list, NOTHING, Out(""))]);
    let client = Client::open(url).expect("a connection");
    let queue = |name: &str| WorkQueue::<String>::new(&client, name);
    queue("mail").push_many(["a", "b"]).expect("a server");
    queue("mail").pause().expect("a server");
    queue("b\n").push_in("c", Duration::from_secs(3600)).expect("a server");
    RedisList::<String>::new(&client, "list").push_back("a").expect("a server");
    let table = "QUEUE  PENDING  IN FLIGHT  DELAYED  DEAD  CONSUMERS  PAUSED\n\
                 b\\n    0        0          1        0     0          no\n\
                 mail   2        0          0        0     0          yes\n";
    check(&[Case(&list, NOTHING, Out(table))]);
    let found = objects(&format!("{list} --json"));
    assert_eq!((&found[0]["queue"], &found[1]["queue"]), (&json!("b\n"), &json!("mail")));
    assert_eq!((&found[0]["delayed"], &found[1]["pending"]), (&json!(1), &json!(2)));

    let () = support::servers::query(url, "SET a~rc:dead x").expect("a server");
    let output = rcq(&list).output().expect("an end");
    let (out, error) = texts(&output);
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""));
    let broken = "a      -        -          -        -     -          -       ";
    let row = out.lines().nth(1).expect("a row");
    assert!(row.starts_with(broken) && row.contains("WRONGTYPE"), "{out}");
    assert_eq!(out.lines().count(), table.lines().count() + 1, "{out}");
    let found = objects(&format!("{list} --json"));
    assert!(found[0]["error"].as_str().is_some_and(|error| error.contains("WRONGTYPE")));
    assert_eq!((found.len(), &found[0]["queue"]), (3, &json!("a")));
}

#[test]
fn the_columns_of_a_list_fit_wide_and_long_names() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    for name in ["漢字".to_owned(), "x".repeat(20_000)] {
        WorkQueue::<String>::new(&client, name).pause().expect("a server");
    }
    let list = rcq(&format!("list --url {}", server.url())).output().expect("an end");
    let list = texts(&list).0;
    let cut = format!("{}…  0        0", "x".repeat(59));
    assert!(list.lines().any(|line| line.starts_with(&cut)), "{list}");
    let wide = format!("漢字{}0        0", " ".repeat(58));
    assert!(list.lines().any(|line| line.starts_with(&wide)), "{list}");
}

#[test]
fn consumers_are_listed_with_their_jobs() {
    check(&[
        Case("running nosuch", NOTHING, Failed(1, "there is no queue nosuch")),
        Case("push running a b c", NOTHING, Out("pushed 3 to running, 3 pending\n")),
        Case("running running", NOTHING, Out("")),
    ]);
    let mut consumer = queue("running").consumer().batch(2);
    let job = consumer.next(LATE).expect("a server").expect("a job");
    let state = || objects("running running --json").remove(0);
    assert!(eventually(|| state()["jobs"][0]["begun"] == true));
    let state = state();
    assert_eq!((&state["queue"], &state["alive"]), (&json!("running"), &json!(true)));
    assert!(state["heartbeat_ms"].is_u64() && state["consumer"].is_string(), "{state}");
    let expected = json!({ "job": "b", "id": null, "deliveries": 0, "begun": false });
    assert_eq!(state["jobs"][1], expected);

    let table = texts(&rcq("running running").output().expect("an end")).0;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("CONSUMER "), "{table}");
    assert!(lines[0].ends_with("  RUNNING  UNSTARTED  BEGUN  DELIVERIES  JOB"), "{table}");
    assert!(lines[1].ends_with("  yes    0           a"), "{table}");
    assert!(lines[2].starts_with("  ") && lines[2].ends_with("  no     0           b"), "{table}");
    let table = texts(&rcq("running running -n 0").output().expect("an end")).0;
    assert!(table.lines().count() == 2 && table.ends_with("  -      -           -\n"), "{table}");

    job.done();
    consumer.close().expect("a server");
    check(&[Case("running running", NOTHING, Out(""))]);
}
