//! The clusters, sentinels and servers with TLS that other tests start.

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, LazyLock},
    time::Instant,
};
use support::ask;
use support::servers::cluster::{Cluster, MASTERS, NODES, SLOTS};
use support::servers::query;
use support::servers::sentinel::Sentinels;
use support::servers::tls::{Authority, Identity, TlsServer};

type Outcome = Result<(), Box<dyn Error>>;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().expect("a cluster"));

#[test]
fn a_cluster_has_masters_for_all_slots_and_a_replica_of_each() -> Outcome {
    let masters: Vec<_> =
        (0..SLOTS).step_by(1000).map(|slot| CLUSTER.master_of(slot)).collect::<Result<_, _>>()?;
    assert!(masters.is_sorted() && masters.iter().all(|&master| master < MASTERS));
    let mut replicas: Vec<_> =
        (0..MASTERS).map(|master| CLUSTER.replica_of(master)).collect::<Result<_, _>>()?;
    replicas.sort();
    assert_eq!(replicas, Vec::from_iter(MASTERS..NODES));
    assert_eq!(CLUSTER.key_slot("foo")?, 12182);
    Ok(())
}

#[test]
fn a_slot_moves_with_its_keys() -> Outcome {
    let slot = CLUSTER.key_slot("{moved}")?;
    let from = CLUSTER.master_of(slot)?;
    let to = (from + 1) % MASTERS;
    let [source, target] = [from, to].map(|index| CLUSTER.nodes()[index].port());
    for number in 0..250 {
        assert_eq!(ask(source, &format!("SET {{moved}}{number} value"))?, "+OK\r\n");
    }
    assert_eq!(ask(target, "GET {moved}1")?, format!("-MOVED {slot} 127.0.0.1:{source}\r\n"));

    CLUSTER.begin_move(slot, from, to)?;
    assert_eq!(ask(source, "GET {moved}1")?, "$5\r\n");
    CLUSTER.move_keys(&[b"{moved}1".to_vec()], from, to)?;
    assert_eq!(ask(source, "GET {moved}1")?, format!("-ASK {slot} 127.0.0.1:{target}\r\n"));
    assert_eq!(ask(source, "GET {moved}2")?, "$5\r\n");

    CLUSTER.finish_move(slot, from, to)?;
    assert_eq!(CLUSTER.master_of(slot)?, to);
    assert_eq!(ask(target, &format!("CLUSTER COUNTKEYSINSLOT {slot}"))?, ":250\r\n");
    assert_eq!(ask(source, "GET {moved}1")?, format!("-MOVED {slot} 127.0.0.1:{target}\r\n"));
    Ok(())
}

#[test]
fn a_replica_becomes_the_master_after_a_failure_or_on_request() -> Outcome {
    let start = || Cluster::start_with(&["--requirepass", "secret"]);
    let mut cluster = timed("a cluster with a password", start)?;
    let slot = cluster.key_slot("key")?;
    let first = cluster.master_of(slot)?;
    let second = cluster.replica_of(first)?;

    cluster.kill(first)?;
    let wait = || cluster.wait_for_new_master(slot, first);
    assert_eq!(timed("a killed master replaced", wait)?, second);
    query::<()>(&cluster.url(second), "SET key value")?;
    timed("a node restarted", || cluster.restart(first))?;
    assert_eq!(cluster.replica_of(second)?, first);

    timed("a failover", || cluster.failover(first))?;
    assert_eq!(cluster.master_of(slot)?, first);
    assert_eq!(query::<String>(&cluster.url(first), "GET key")?, "value");

    let other = cluster.master_of(0)?;
    assert_ne!(other, first);
    cluster.pause(other)?;
    let wait = || cluster.wait_for_new_master(0, other);
    let successor = timed("a hanging master replaced", wait)?;
    cluster.resume(other)?;
    timed("a node resumed", || cluster.wait_until_healthy())?;
    assert_eq!(cluster.replica_of(successor)?, other);
    Ok(())
}

#[test]
fn sentinels_promote_the_replica_of_a_killed_master() -> Outcome {
    let mut sentinels = timed("sentinels", Sentinels::start)?;
    let first = sentinels.master()?;
    assert_eq!(sentinels.kill_master()?, first);
    let second = timed("a new master", || sentinels.wait_for_new_master(first))?;
    assert_eq!(ask(sentinels.servers()[second].port(), "SET key value")?, "+OK\r\n");
    timed("the old master restarted", || sentinels.restart(first))?;
    assert_eq!(ask(sentinels.servers()[first].port(), "GET key")?, "$5\r\n");
    Ok(())
}

#[test]
fn sentinels_exchange_master_and_replica_on_request() -> Outcome {
    let mut sentinels = timed("sentinels", || Sentinels::start_with_password("secret"))?;
    let first = sentinels.master()?;
    assert!(query::<()>(sentinels.servers()[first].url(), "PING").is_err());
    let second = timed("a failover", || sentinels.failover())?;
    query::<()>(&sentinels.server_url(second), "SET key value")?;
    sentinels.kill_sentinel(0)?;
    assert!(query::<()>(&sentinels.urls()[0], "PING").is_err());
    assert_eq!(sentinels.master()?, second);
    let url = &sentinels.urls()[1];
    let command = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {}", sentinels.name());
    let address: (String, u16) = query(url, &command)?;
    assert_eq!(address, ("127.0.0.1".into(), sentinels.servers()[second].port()));
    Ok(())
}

#[test]
fn a_tls_server_answers_only_over_tls() -> Outcome {
    let Some(mut server) = TlsServer::start()? else { return Ok(()) };
    let authority = server.authority().certificate();
    assert_eq!(server.url(), format!("rediss://localhost:{}/", server.port()));
    ping(&server, &authority, None)?;
    assert!(!ask(server.port(), "PING").is_ok_and(|reply| reply.contains("PONG")));
    let stranger = Authority::new("stranger")?.certificate();
    assert!(ping(&server, &stranger, None).is_err());
    server.restart()?;
    ping(&server, &authority, None)
}

#[test]
fn a_tls_server_can_require_certificates_of_its_authority() -> Outcome {
    let Some(server) = TlsServer::start_requiring_client_certificates()? else { return Ok(()) };
    let authority = server.authority().certificate();
    ping(&server, &authority, Some(server.client()))?;
    assert!(ping(&server, &authority, None).is_err());
    let stranger = Authority::new("stranger")?.certify_client("client")?;
    assert!(ping(&server, &authority, Some(&stranger)).is_err());
    Ok(())
}

/// Sends PING over TLS, trusting one authority only.
fn ping(server: &TlsServer, authority: &str, client: Option<&Identity>) -> Outcome {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes())?;
            config.with_client_auth_cert(vec![certificate(&client.certificate)?], key)?
        }
    };
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
    let socket = TcpStream::connect(("127.0.0.1", server.port()))?;
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+PONG\r\n");
    Ok(())
}

fn timed<T>(what: &str, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    println!("{what}: {:.1?}", start.elapsed());
    result
}
