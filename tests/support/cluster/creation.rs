//! Makes one cluster of separate nodes.

use super::{Cluster, MASTERS, NODES, SLOTS};
use crate::support::{
    servers::{Outcome, PATIENCE},
    within,
};
use std::{
    env,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// By the usual program if it is installed, otherwise by the commands that it would send.
pub(super) fn create(cluster: &Cluster) -> Outcome {
    for program in programs() {
        match start(&program, cluster) {
            Ok(process) => return finish(process),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    create_by_commands(cluster)
}

/// Those beside the server first, as they know all that it knows.
fn programs() -> impl Iterator<Item = PathBuf> {
    let server = env::var_os("REDIS_SERVER").map(PathBuf::from);
    let beside = server.as_deref().and_then(Path::parent).map(Path::to_owned);
    let directories = [beside.unwrap_or_default(), PathBuf::new()];
    directories.into_iter().flat_map(|path| ["valkey-cli", "redis-cli"].map(|name| path.join(name)))
}

fn start(program: &Path, cluster: &Cluster) -> io::Result<Child> {
    let addresses = cluster.nodes().iter().map(|node| format!("127.0.0.1:{}", node.port()));
    let mut command = Command::new(program);
    command.args(["--cluster", "create"]).args(addresses);
    command.args(["--cluster-replicas", "1", "--cluster-yes"]);
    if let Some(password) = &cluster.password {
        command.env("REDISCLI_AUTH", password);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn finish(mut process: Child) -> Outcome {
    if !within(PATIENCE, || !matches!(process.try_wait(), Ok(None))) {
        process.kill()?;
    }
    let output = process.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(format!("no cluster: {}", String::from_utf8_lossy(&printed)).into())
}

pub(super) fn create_by_commands(cluster: &Cluster) -> Outcome {
    let first_port = cluster.nodes()[0].port();
    let starts: Vec<_> = (0..=MASTERS).map(|index| index * usize::from(SLOTS) / MASTERS).collect();
    for index in 0..NODES {
        cluster.ask::<()>(index, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1))?;
        if index < MASTERS {
            let (first, last) = (starts[index], starts[index + 1] - 1);
            cluster.ask::<()>(index, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
        }
        if index > 0 {
            cluster.ask::<()>(index, &format!("CLUSTER MEET 127.0.0.1 {first_port}"))?;
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
