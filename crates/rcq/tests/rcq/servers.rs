//! Clusters and Sentinels.

use redis_collections::{Client, WorkQueue};

use crate::{NOTHING, check, objects, rcq};
use support::kinds::CLUSTER;
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;
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
                Failed(2, "{jobs} rather than jobs"),
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
fn the_queues_of_all_nodes_are_listed() {
    let url = &CLUSTER.urls()[0];
    let names: Vec<_> = (0..20).map(|number| format!("{{listed-{number:02}}}")).collect();
    for name in &names {
        rcq(&format!("pause {name} --url {url}")).output().expect("an end");
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
