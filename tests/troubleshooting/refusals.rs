//! The errors of servers that expect another kind of client.

use std::time::Duration;

use redis_collections::{Client, Error, LocalServer, WorkQueue};
use support::servers::query;
use support::servers::tls::{Authority, TlsServer};
use support::servers::wait_for;

use super::{Messages, Outcome, told};

pub(super) fn messages() -> Outcome<Messages> {
    let mut messages = vec![("Error::Server", of_a_node()?), ("Error::Connect", of_a_password()?)];
    messages.extend(of_tls()?.into_iter().map(|message| ("Error::Connect", message)));
    Ok(messages)
}

/// A queue by a client of a single server on a node of a cluster, which has all slots.
fn of_a_node() -> Outcome<String> {
    let node = LocalServer::start_with(&["--cluster-enabled", "yes"])?;
    query::<()>(node.url(), "CLUSTER ADDSLOTSRANGE 0 16383")?;
    wait_for("the slots", || Ok(query::<usize>(node.url(), "EXISTS jobs")? == 0))?;
    let client = Client::open(node.url())?;
    let error = WorkQueue::<String>::new(&client, "jobs").exists().unwrap_err();
    assert_eq!(error.code(), Some("CROSSSLOT"));
    Ok(told(error, &[]))
}

fn of_a_password() -> Outcome<String> {
    let server = LocalServer::start_with(&["--requirepass", "right"])?;
    let url = server.url().replace("redis://", "redis://:wrong@");
    let error = Client::open(&url).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.is_transient(), "{error}");
    assert_eq!(error.code(), None);
    Ok(told(error, &[server.port()]))
}

/// The other protocol, and certificates of an unknown authority.
fn of_tls() -> Outcome<Vec<String>> {
    let server = LocalServer::start()?;
    let plain = format!("rediss://127.0.0.1:{}/", server.port());
    let silent = Client::builder(&plain).connect_timeout(SHORT).build().unwrap_err();
    let mut messages = vec![told(silent, &[server.port()])];
    // A server that was built without TLS cannot make the others, which then count as made.
    let Some(server) = TlsServer::start()? else {
        messages.extend(OF_TLS.map(str::to_owned));
        return Ok(messages);
    };
    let plain = server.url().replace("rediss://", "redis://").replace("localhost", "127.0.0.1");
    messages.push(told(Client::open(&plain).unwrap_err(), &[server.port()]));
    let other = Authority::new("other")?.certificate();
    let untrusted = Client::builder(&server.url()).root_certificates(other).build().unwrap_err();
    messages.push(told(untrusted, &[server.port()]).replace("localhost", "127.0.0.1"));
    Ok(messages)
}

const OF_TLS: [&str; 2] = [
    "cannot connect to 127.0.0.1:6379: the other side has ended it",
    "cannot connect to 127.0.0.1:6379: invalid peer certificate: UnknownIssuer",
];

const SHORT: Duration = Duration::from_millis(500);
