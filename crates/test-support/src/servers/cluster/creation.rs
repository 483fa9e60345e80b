//! Makes one cluster of separate nodes.

use super::nodes::{Cluster, MASTERS, NODES, SLOTS};
use crate::servers::Outcome;

/// Joins the nodes. Each is introduced to each, since they would take seconds to learn of each other.
pub(super) fn create(cluster: &Cluster) -> Outcome {
    let first_slot = |index: usize| index * usize::from(SLOTS) / MASTERS;
    for index in 0..NODES {
        cluster.ask::<()>(index, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1))?;
        if index < MASTERS {
            let slots = first_slot(index)..first_slot(index + 1);
            let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
            cluster.ask::<()>(index, &format!("CLUSTER ADDSLOTS {}", slots.join(" ")))?;
        }
    }
    for index in 0..NODES {
        for other in &cluster.nodes()[index + 1..] {
            cluster.ask::<()>(index, &format!("CLUSTER MEET 127.0.0.1 {}", other.port()))?;
        }
    }
    cluster.wait("all nodes to meet", || {
        (0..NODES).try_fold(true, |all, index| {
            let nodes = cluster.view(index)?;
            Ok(all && nodes.len() == NODES && nodes.iter().all(|node| node.reachable))
        })
    })?;
    for index in MASTERS..NODES {
        let master = cluster.id_of(index - MASTERS)?;
        cluster.ask::<()>(index, &format!("CLUSTER REPLICATE {master}"))?;
    }
    Ok(())
}
