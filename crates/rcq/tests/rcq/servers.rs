//! Clusters and Sentinels.

use redis_collections::{Client, WorkQueue};

use crate::{NOTHING, check};
use support::kinds::CLUSTER;
use support::program::Case;
use support::program::Said::{Failed, Out};

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
