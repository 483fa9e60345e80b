//! The administration of queues.

use std::time::Duration;

use redis_collections::{Client, LocalServer, RedisList, WorkQueue};
use serde_json::json;

use crate::{NOTHING, PROGRAM, bury, check, objects, queue, rcq};
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::{LATE, eventually};

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
    assert_eq!((output.status.code(), out.as_str()), (Some(1), table));
    assert!(error.lines().count() == 1 && error.contains("WRONGTYPE"), "{error}");
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
