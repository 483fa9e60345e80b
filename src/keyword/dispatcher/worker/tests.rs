use std::future::ready;

use super::*;
use crate::LocalServer;
use crate::client::AsyncClient;
use crate::keyword::{Dispatcher, Keyword};
use crate::time::Deadline;
use crate::time::Wait;

const LEASE: Duration = Duration::from_secs(1);

async fn service(server: &LocalServer) -> Arc<DispatcherCore<AsyncClient>> {
    let client = AsyncClient::open(server.url()).await.unwrap();
    let hooked = Keyword::integer("HOOKED").on_write(|_| ready(Ok::<_, String>(())));
    let builder = Dispatcher::builder("dome").keyword(hooked).keyword(Keyword::integer("N"));
    let service = Arc::new(builder.lease(LEASE).service(client).unwrap());
    service.claim(Deadline::after(Wait::For(Duration::ZERO))).await.unwrap();
    service
}

fn request(id: usize, keyword: &str) -> WriteCommand {
    WriteCommand::read(format!("{id}\n60000\n{keyword}\n1").as_bytes()).unwrap()
}

#[tokio::test]
async fn a_taken_request_is_in_progress_at_once() {
    let server = LocalServer::start().unwrap();
    let service = service(&server).await;
    service.take(request(0, "HOOKED")).await;
    service.life.close(LEASE);
    assert!(!service.life.may_end());
}

#[tokio::test]
async fn requests_not_begun_are_refused_at_shutdown() {
    let server = LocalServer::start().unwrap();
    for grace in [Duration::ZERO, LEASE] {
        let service = service(&server).await;
        service.listen().await.unwrap();
        let keywords = ["HOOKED", "N", "HOOKED", "X"];
        for (id, keyword) in keywords.into_iter().enumerate() {
            service.inbox.push(request(id, keyword));
        }
        service.life.close(grace);
        work(End(service.clone())).await;
        for (id, keyword) in keywords.into_iter().enumerate() {
            let outcome = Request::write("LPOP").key(&service.names.outcome(&id.to_string()));
            let outcome = service.executor.send(outcome.returns(reply::optional::<String>)).await;
            let outcome = outcome.unwrap().unwrap_or_default();
            let expected = if keyword == "X" { "no such keyword" } else { "shutting down" };
            assert!(outcome.contains(expected), "{id} {keyword} {grace:?}: {outcome}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_not_waited_for() {
    let mut server = LocalServer::start().unwrap();
    let service = service(&server).await;
    service.listen().await.unwrap();
    (0..10).for_each(|id| service.inbox.push(request(id, "N")));
    server.stop().unwrap();
    service.life.close(Duration::ZERO);
    let ended = tokio::time::timeout(LEASE, work(End(service))).await;
    assert!(ended.is_ok(), "it still refuses");
}

#[tokio::test]
async fn the_lease_is_kept_while_another_thread_refuses_requests() {
    let server = LocalServer::start().unwrap();
    let service = service(&server).await;
    let taking = service.life.taking();
    service.life.close(Duration::ZERO);
    let mut ending = Box::pin(work(End(service.clone())));
    assert!(tokio::time::timeout(LEASE / 5, &mut ending).await.is_err());
    assert!(service.may_hold_lease.load(Ordering::Acquire));
    drop(taking);
    ending.await;
    assert!(!service.may_hold_lease.load(Ordering::Acquire));
}

/// Its dispatcher ended late, and the next one already serves. Only requests that reached that one
/// too are left to it.
#[tokio::test]
async fn a_late_refusal_abandons_what_the_next_dispatcher_never_received() {
    let server = LocalServer::start().unwrap();
    let late = service(&server).await;
    late.release_lease(&late.executor).await.unwrap();
    let next = service(&server).await;
    let lease = String::from_utf8(next.names.lease()).unwrap();
    let last = Request::read("GET").key(lease.replace("lease", "last").as_bytes());
    let last = next.executor.send(last.returns(reply::one::<String>)).await.unwrap();
    let since: u64 = last.split_once(' ').unwrap().1.parse().unwrap();
    let abandoned = &["?its dispatcher is shutting down"][..];
    for (id, made, expected) in [(1, since - 1, abandoned), (2, since, &[]), (3, since + 1, &[])] {
        let message = format!("{id}\n60000@{made}\nN\n1");
        let request = WriteCommand::read(message.as_bytes()).unwrap();
        for _ in 0..2 {
            late.refuse_at_shutdown(&late.executor, &request).await.unwrap();
        }
        let outcome = Request::write("LRANGE").key(&late.names.outcome(&id.to_string()));
        let outcome = outcome.number(0).number(-1).returns(reply::many::<String>);
        let outcome = late.executor.send(outcome).await.unwrap();
        assert_eq!(outcome.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{id}");
    }
}
