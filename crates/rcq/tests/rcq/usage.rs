//! Wrong usage, refusals, and output that is not read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use redis_collections::LocalServer;

use crate::{NOTHING, PROGRAM, check, rcq};
use support::kinds::SERVER;
use support::program::Said::Failed;
use support::program::{Case, fed, texts};

#[test]
fn a_closed_pipe_is_no_failure() {
    fed(&mut rcq("push wide"), &b"job\n".repeat(1000));
    for arguments in ["peek wide -n 1000", "stats wide --watch=100ms", "stats wide", "--help"] {
        PROGRAM.check_with_a_closed_pipe(arguments);
    }
    for arguments in ["stats wide --watch=1h", "stats wide --watch=1h --json"] {
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
        Case("stats --watch=mail x", NOTHING, Failed(2, "a time is written like 250ms")),
        Case("stats --watch typo", NOTHING, Failed(1, "there is no queue typo")),
        Case("stats mail --watch=0", NOTHING, Failed(2, "100ms is the shortest")),
        Case("push mail a --delay 5x", NOTHING, Failed(2, "a time is written like 250ms")),
        Case("drain mail extra", NOTHING, Failed(2, "unexpected argument 'extra'")),
        Case(
            "stats mail --url nonsense",
            NOTHING,
            Failed(2, "rcq: --url: it is no URL of a server; a"),
        ),
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
        Case("push a~rc:b a", NOTHING, Failed(2, "rcq: \"a~rc:b\": `~rc:` in the name")),
        Case("stats a~rc:b", NOTHING, Failed(2, "rcq: \"a~rc:b\": `~rc:` in the name")),
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
        (vec!["stats", "mail", "--url", "unix:///s?password=5ecret"], 2, "rcq: --url: "),
        (vec!["stats", "mail", "--url", "redis://ann:1#5ecret@x"], 2, "rcq: --url: "),
        (vec!["stats", "mail", "--url", "redis://ann:1?5ecret@x"], 2, "rcq: --url: "),
        (vec!["stats", "mail", "--url", "http://ann:5ecret@x"], 2, "rcq: --url: "),
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
fn the_program_documents_itself() {
    PROGRAM.check_documents(&["list", "stats", "running", "purge", "dead", "completions"]);
}

#[test]
fn an_empty_variable_counts_as_unset_and_messages_name_it() {
    for (url, code, expected) in [
        (&b""[..], 1, "rcq: there is no queue nosuch"),
        (b"nonsense", 2, "rcq: REDIS_URL: it is no URL of a server; a URL is redis://"),
        (b"redis://host/x", 2, "rcq: REDIS_URL: "),
        (b"redis://\xff", 2, "rcq: REDIS_URL: it is no URL of a server, since it is not UTF-8"),
    ] {
        let mut command = rcq("stats nosuch");
        if url.is_empty() {
            // The default port has perhaps no server.
            command.arg("--url").arg(SERVER.url());
        }
        let output = command.env("REDIS_URL", OsStr::from_bytes(url)).output().expect("an end");
        let error = texts(&output).1;
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.starts_with(expected), "{error}");
    }
    let unset = rcq("stats nosuch").env("REDIS_URL", "").output().expect("an end");
    let default = texts(&unset).1;
    let is_default = default.contains("127.0.0.1:6379") || default.contains("there is no queue");
    assert!(is_default, "{default}");
    let other = rcq("stats nosuch").env("REDIS_URL", "").arg("--url").arg("").output();
    let error = texts(&other.expect("an end")).1;
    assert!(error.starts_with("rcq: --url: it is no URL of a server"), "{error}");
}

#[test]
fn help_and_pages_agree_with_what_there_is() {
    let said = |arguments: &str| texts(&rcq(arguments).output().expect("an end")).0;
    assert!(said("purge --help").contains("frees all keys of `push --unique`"));
    let help = said("--help");
    for part in ["[env: REDIS_URL]", "redis://127.0.0.1:6379/", "SSL_CERT_FILE", "--ca <FILE>"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let escaped = ["\\n, ", "\\u{1b}, ", "\\xff"].concat();
    assert!(help.contains(&escaped), "{help}");
}
