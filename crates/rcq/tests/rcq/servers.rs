//! Clusters and Sentinels.

use redis_collections::{Client, LocalServer, WorkQueue};
use serde_json::json;

use crate::{NOTHING, check, objects, rcq};
use support::kinds::CLUSTER;
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::servers::cluster::Cluster;
use support::servers::query;
use support::servers::sentinel::Sentinels;

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
    for command in ["stats", "peek", "drain", "pause --create", "pause", "dead list", "purge -y"] {
        let unsent =
            Failed(2, "rcq: \"mail\": in a cluster the name of a work queue needs a hash tag");
        check(&[Case(&format!("{command} --url {url} mail"), NOTHING, unsent)]);
    }
    let cluster = Client::cluster([url]).expect("a cluster");
    let queue: WorkQueue<String> = WorkQueue::new(&cluster, "{mail}");
    assert_eq!(queue.len().expect("a cluster"), 1);
}

#[test]
fn a_node_of_a_cluster_is_recognized() {
    for (number, url) in CLUSTER.urls().iter().enumerate() {
        check(&[
            Case(
                &format!("push --url {url} untagged a"),
                NOTHING,
                Failed(2, "rcq: \"untagged\": in a cluster"),
            ),
            Case(
                &format!("push --url {url} {{tagged}} a"),
                NOTHING,
                Out(&format!("pushed 1 to {{tagged}}, {} pending\n", number + 1)),
            ),
        ]);
    }
}

#[test]
fn a_cluster_has_only_the_database_0() {
    let url = &CLUSTER.urls()[0];
    for options in [
        format!("--url {url} --cluster --database 1"),
        format!("--url {url} --database 1"),
        format!("--url {url}1"),
        format!("--url {url}1 --cluster"),
    ] {
        check(&[Case(
            &format!("push {{base}} x {options}"),
            NOTHING,
            Failed(2, "a cluster has only the database 0"),
        )]);
    }
    check(&[
        Case(
            &format!("push {{base}} x --url {url} --database 0"),
            NOTHING,
            Out("pushed 1 to {base}, 1 pending\n"),
        ),
        Case(
            "list --cluster",
            NOTHING,
            Failed(2, "is not a node of a cluster; leave out --cluster"),
        ),
    ]);
}

#[test]
fn a_sentinel_is_recognized() {
    let sentinels = Sentinels::start_with_password("5ecret").expect("sentinels");
    let url = &sentinels.urls()[0];
    for options in ["", "--database 3", "--cluster"] {
        for command in ["list", "push mail a"] {
            check(&[Case(
                &format!("{command} --url {url} {options}"),
                NOTHING,
                Failed(2, "rcq: the server is a Sentinel; use --sentinel with the name of"),
            )]);
        }
    }
    check(&[Case(
        &format!("list --url {url} --sentinel {}", sentinels.name()),
        NOTHING,
        Failed(1, "those of the master are in REDIS_MASTER_USER and REDIS_MASTER_PASSWORD"),
    )]);
}

#[test]
fn a_queue_without_a_hash_tag_is_marked_in_the_list_of_a_cluster() {
    let cluster = Cluster::start().expect("a cluster");
    let url = &cluster.urls()[0];
    for node in cluster.urls() {
        // The node that owns its slot accepts it.
        let _ = query::<()>(&node, "SET mail~rc:paused 1");
    }
    rcq(&format!("push {{mail}} a --url {url}")).output().expect("an end");
    rcq(&format!("pause {{mail}} --url {url}")).output().expect("an end");
    let list = rcq(&format!("list --url {url}")).output().expect("an end");
    let (out, error) = texts(&list);
    assert_eq!((list.status.code(), error.as_str(), out.lines().count()), (Some(0), "", 3));
    let row = out.lines().find(|line| line.starts_with("mail ")).expect("a row");
    assert!(row.contains("needs a hash tag"), "{out}");
    let found = objects(&format!("list --url {url} --json"));
    assert!(found[0]["error"].as_str().is_some_and(|error| error.contains("hash tag")));
    assert_eq!((&found[0]["queue"], &found[1]["paused"]), (&json!("mail"), &json!(true)));
}

#[test]
fn the_queues_of_all_nodes_are_listed() {
    let url = &CLUSTER.urls()[0];
    let names: Vec<_> = (0..20).map(|number| format!("{{listed-{number:02}}}")).collect();
    for name in &names {
        rcq(&format!("pause {name} --create --url {url}")).output().expect("an end");
    }
    let found = objects(&format!("list --url {url} --json"));
    let found = found.iter().filter_map(|queue| queue["queue"].as_str());
    assert_eq!(found.filter(|name| name.starts_with("{listed-")).collect::<Vec<_>>(), names);
}

#[test]
fn sentinels_name_the_master() {
    let sentinels = Sentinels::start_with_password("5ecret").expect("sentinels");
    let (url, name) = (&sentinels.urls()[0], sentinels.name());
    // The first one does not answer.
    let urls = format!("--url redis://127.0.0.1:1/ --url {url}");
    let push = format!("push mail a --sentinel {name} {urls} --database 3");
    let pushed = rcq(&push).env("REDIS_MASTER_PASSWORD", "5ecret").output().expect("an end");
    assert_eq!(texts(&pushed), ("pushed 1 to mail, 1 pending\n".into(), String::new()));
    let master = sentinels.server_url(sentinels.master().expect("a master"));
    assert_eq!(query::<usize>(&format!("{master}3"), "LLEN mail").expect("a server"), 1);

    let refused = rcq(&push).env("REDIS_MASTER_PASSWORD", "wrong-5ecret").output().expect("an end");
    let (_, error) = texts(&refused);
    assert!(refused.status.code() == Some(1) && !error.contains("5ecret"), "{error}");
    assert!(error.contains("; with --sentinel the user and password in the URLs"), "{error}");
    check(&[
        Case(
            &format!("stats mail --sentinel other --url {url}"),
            NOTHING,
            Failed(2, "knows no master named \"other\""),
        ),
        Case("stats mail --sentinel a --cluster", NOTHING, Failed(2, "cannot be used with")),
        Case(&format!("stats mail {urls}"), NOTHING, Failed(2, "several URLs")),
    ]);
}

/// The rights of an operator in the guide to production.
fn rights_of_an_operator() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/going-to-production.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let row = guide.lines().find_map(|line| line.strip_prefix("| operator | `"));
    row.and_then(|row| row.split('`').next()).expect("a row").to_owned()
}

#[test]
fn every_command_works_with_the_rights_of_an_operator() {
    let server = LocalServer::start().expect("a server");
    let user = format!("ACL SETUSER ann on >pw ~jobs* {}", rights_of_an_operator());
    let () = query(server.url(), &user).expect("a server");
    let url = server.url().replace("redis://", "redis://ann:pw@");
    for command in [
        "push jobs a",
        "push jobs b --delay 1h",
        "push jobs c --unique k",
        "list",
        "stats jobs",
        "running jobs",
        "peek jobs",
        "pause jobs",
        "resume jobs",
        "purge jobs --yes",
        "dead list jobs",
        "dead requeue jobs",
        "dead purge jobs -y",
        "pause jobs --create",
        "drain jobs",
    ] {
        let output = rcq(command).env("REDIS_URL", &url).output().expect("an end");
        assert_eq!((output.status.code(), texts(&output).1.as_str()), (Some(0), ""), "{command}");
    }
}
