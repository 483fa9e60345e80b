//! Clusters and Sentinels.

use redis_collections::{Client, WorkQueue};

use crate::{NOTHING, check, rcq};
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
