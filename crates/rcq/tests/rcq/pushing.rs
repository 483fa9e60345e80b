//! Jobs as they are pushed and seen.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::Stdio;

use serde_json::json;

use crate::{NOTHING, check, objects, queue, rcq};
use support::eventually;
use support::kinds::SERVER;
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;

#[test]
fn jobs_are_pushed_and_seen() {
    check(&[
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
    let mut pause = rcq("pause --create --json");
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
    let empty = rcq("push once b --unique").arg("").output().expect("an end");
    assert_eq!(
        (empty.status.code(), texts(&empty).1.as_str()),
        (Some(2), "rcq: the key of --unique is empty\n")
    );
}

#[test]
fn an_empty_name_is_no_queue() {
    for command in ["push", "peek", "stats", "drain", "pause --create"] {
        let empty = rcq(command).arg("").output().expect("an end");
        assert_eq!(
            (empty.status.code(), texts(&empty).1.as_str()),
            (Some(2), "rcq: the name of a queue is empty\n"),
            "{command}"
        );
    }
}

#[test]
fn only_the_end_of_a_line_is_removed() {
    check(&[
        Case("push crlf", b"a\r\nb", Out("pushed 2 to crlf, 2 pending\n")),
        Case("peek crlf", NOTHING, Out("a\\r\nb\n")),
    ]);
}
