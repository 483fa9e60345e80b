//! The administration of queues.

use serde_json::json;

use crate::{NOTHING, PROGRAM, bury, check, objects, queue, rcq};
use support::program::Case;
use support::program::Said::{Failed, Out};

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
