//! Wrong usage, and servers that are down.

use redis_collections::LocalServer;

use crate::{PROGRAM, check, dome, rckey};
use support::eventually;
use support::kinds::CLUSTER;
use support::program::Said::Failed;
use support::program::texts;
use support::servers::sentinel::Sentinels;

#[test]
fn a_request_that_was_sent_is_no_wrong_usage() {
    let dome = dome("mixed");
    let problem = "the name of a keyword cannot contain '.'";
    check([
        ("write mixed AZ=1 a.b=2", Failed(1, problem)),
        ("write mixed a.b=2 AZ=2 -n", Failed(1, problem)),
        ("write mixed a.b=2", Failed(2, problem)),
        ("write mixed a.b=2 -n", Failed(2, problem)),
        ("read mixed a.b AZ", Failed(1, problem)),
        ("show mixed a.b", Failed(2, problem)),
    ]);
    assert!(eventually(|| dome.get("AZ").expect("a keyword") == Some(2.0.into())));
}

#[test]
fn wrong_usage_is_reported_in_one_line() {
    check([
        ("raed dome", Failed(2, "a similar subcommand exists: 'read'; Usage: rckey")),
        ("read", Failed(2, "<SERVICE>")),
        ("write dome", Failed(2, "<NAME=VALUE>")),
        ("write dome AZ", Failed(2, "a value is written like NAME=VALUE")),
        ("write dome =1", Failed(2, "a value is written like NAME=VALUE")),
        ("write dome AZ=1 -t 5x", Failed(2, "a time is written like 250ms")),
        ("watch dome --raw", Failed(2, "unexpected argument '--raw'")),
        ("read dome a.b", Failed(2, "the name of a keyword cannot contain '.'")),
        ("write dome a:b=1", Failed(2, "the name of a keyword cannot contain ':'")),
        ("watch dome a.b", Failed(2, "the name of a keyword cannot contain '.'")),
        ("list do:me", Failed(2, "the name of a service cannot contain ':'")),
        ("list --url nonsense", Failed(2, "rckey: --url: it is no URL of a server")),
    ]);
    let output = rckey("").output().expect("the program");
    let (out, error) = texts(&output);
    assert_eq!((output.status.code(), &out[..]), (Some(2), ""));
    assert!(error.contains("Usage: rckey"));
}

#[test]
fn the_program_documents_itself() {
    PROGRAM.check_documents(&["list", "read", "write", "watch", "man"]);
}

#[test]
fn a_server_that_is_down_is_a_failure_without_its_password() {
    let mut server = LocalServer::start().expect("a server");
    let address = format!("127.0.0.1:{}", server.port());
    server.stop().expect("a process");
    let url = format!("redis://ann:5ecret@{address}/");
    for arguments in
        ["list", "list dome", "show dome", "read dome A", "write dome A=1", "watch dome"]
    {
        let output = rckey(arguments).env("REDIS_URL", &url).output().expect("an end");
        let (_, error) = texts(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.starts_with(&format!("rckey: cannot connect to {address}")), "{error}");
        assert!(!error.contains("5ecret"), "{error}");
    }
    let help = rckey("--help").env("REDIS_URL", &url).output().expect("an end");
    assert!(!texts(&help).0.contains("5ecret"));
}

#[test]
fn a_cluster_and_a_sentinel_are_refused() {
    let url = &CLUSTER.urls()[0];
    for command in ["list", "list dome", "show dome", "read dome A", "write dome A=1", "watch dome"]
    {
        let refused = Failed(2, "rckey: the server is a node of a cluster, where keywords do not");
        check([(&format!("{command} --url {url}"), refused)]);
    }
    check([(&format!("list --url {url}1"), Failed(2, "a cluster has only the database 0"))]);
    let sentinels = Sentinels::start().expect("sentinels");
    let url = &sentinels.urls()[0];
    check([(&format!("list --url {url}"), Failed(2, "the server is a Sentinel; use --sentinel"))]);
}

#[test]
fn an_empty_name_is_no_service() {
    for command in ["list", "show", "read", "watch"] {
        let output = rckey(command).arg("").output().expect("an end");
        let (_, error) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset_and_messages_name_it() {
    let said = |url: &str| {
        let output = rckey("list").env("REDIS_URL", url).output().expect("an end");
        (output.status.code(), texts(&output).1)
    };
    let (code, error) = said("nonsense");
    assert!(code == Some(2) && error.starts_with("rckey: REDIS_URL: it is no URL"), "{error}");
    let (_, unset) = said("");
    assert!(unset.is_empty() || unset.contains("127.0.0.1:6379"), "{unset}");
}
