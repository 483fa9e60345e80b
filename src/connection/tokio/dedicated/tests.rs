//! The reports of waits whose calls are dropped.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::client::{AsyncClient, Executor};
use crate::command::Command;
use crate::local_server::LocalServer;
use crate::reply;
use crate::time::Wait;

const LONG: Duration = Duration::from_secs(30);

/// A blocking move from `from` to `to`, and its report.
fn moving(from: &str, to: &str) -> (Command<Option<Vec<u8>>>, Receiver<Option<Value>>) {
    let (sender, reported) = channel();
    let request = Request::write("BLMOVE").key(from.as_bytes()).key(to.as_bytes());
    let request = request.arg("LEFT").arg("RIGHT").waits(Wait::For(LONG)).once();
    let request = request.on_dropped(move |outcome| sender.send(outcome).unwrap());
    (request.returns(reply::raw), reported)
}

async fn until_it_waits(client: &AsyncClient, number: usize) {
    loop {
        let info = client.run(Request::read("INFO").arg("clients").returns(reply::raw));
        let info = String::from_utf8(info.await.unwrap().unwrap()).unwrap();
        if info.contains(&format!("blocked_clients:{number}\r")) {
            return;
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn the_outcome_of_a_dropped_wait_is_reported_once() {
    let server = LocalServer::start().unwrap();
    let push = |list: &str| Request::write("RPUSH").key(list.as_bytes()).arg("x");
    in_runtime(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        for wins in [false, true] {
            let (command, reported) = moving("a", "b");
            let waiting = tokio::spawn(client.run(command));
            until_it_waits(&client, 1).await;
            if wins {
                let push = push("a").returns(reply::count);
                let pushing = tokio::spawn(client.run(push));
                waiting.abort();
                pushing.await.unwrap().unwrap();
            } else {
                waiting.abort();
            }
            let ended = waiting.await;
            let outcome = tokio::task::spawn_blocking(move || {
                let outcome = reported.recv_timeout(LONG);
                assert!(reported.recv().is_err(), "it is reported once");
                outcome
            });
            let outcome = outcome.await.unwrap();
            let moved = client.run(Request::read("LLEN").key(b"b").returns(reply::integer));
            let moved = moved.await.unwrap();
            match outcome {
                Ok(Some(Value::Nil)) => assert_eq!(moved, 0),
                Ok(Some(Value::BulkString(item))) => {
                    assert_eq!((&item[..], moved), (&b"x"[..], 1))
                }
                Err(_) => assert!(ended.is_ok(), "it had ended before it was dropped"),
                outcome => panic!("{outcome:?}"),
            }
        }
    });
}

#[test]
fn a_wait_that_is_dropped_before_it_is_sent_brought_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    in_runtime(async {
        let client = AsyncClient::builder(&url).lazy().build().await.unwrap();
        let (command, reported) = moving("a", "b");
        let waited = tokio::time::timeout(Duration::from_millis(10), client.run(command));
        assert!(waited.await.is_err());
        assert_eq!(reported.recv_timeout(LONG), Ok(Some(Value::Nil)));
    });
}

#[test]
fn a_wait_that_ends_reports_nothing() {
    let server = LocalServer::start().unwrap();
    in_runtime(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        let (command, reported) = moving("a", "b");
        client.run(Request::write("RPUSH").key(b"a").arg("x").returns(reply::count)).await.unwrap();
        assert_eq!(client.run(command).await.unwrap().as_deref(), Some(&b"x"[..]));
        assert!(reported.recv().is_err());
    });
}

#[test]
fn a_wait_whose_runtime_ends_has_a_known_outcome() {
    let server = LocalServer::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(AsyncClient::open(server.url())).unwrap();
    let (command, reported) = moving("a", "b");
    runtime.spawn(client.run(command));
    runtime.block_on(until_it_waits(&client, 1));
    drop(runtime);
    assert_eq!(reported.recv_timeout(LONG), Ok(Some(Value::Nil)));
}

#[test]
fn the_outcome_of_a_wait_whose_reply_is_lost_is_unknown() {
    let mut server = LocalServer::start().unwrap();
    let (command, reported) = moving("a", "b");
    in_runtime(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        let waiting = tokio::spawn(client.run(command));
        until_it_waits(&client, 1).await;
        let id = server.process_id().to_string();
        let kill = std::process::Command::new("kill").args(["-STOP", &id]).status();
        assert!(kill.unwrap().success());
        waiting.abort();
        assert!(waiting.await.is_err());
        server.stop().unwrap();
    });
    assert_eq!(reported.recv_timeout(LONG), Ok(None));
}
