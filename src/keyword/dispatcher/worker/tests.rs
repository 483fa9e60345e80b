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

/// Its dispatcher ended late, and the next one already serves.
#[tokio::test]
async fn a_request_is_refused_although_the_next_dispatcher_serves() {
    let server = LocalServer::start().unwrap();
    let late = service(&server).await;
    late.release_lease(&late.executor).await.unwrap();
    let next = service(&server).await;
    late.refuse_at_shutdown(&late.executor, &request(1, "N")).await.unwrap();
    assert_eq!(outcomes(&late, 1).await, ["-its dispatcher is shutting down"]);
    let status = Request::read("GET").key(&next.names.status(&KeywordName::new("N").unwrap()));
    let status = next.executor.send(status.returns(reply::optional::<String>)).await.unwrap();
    assert_eq!(status, None, "the next one has not begun");
}

/// It may have carried them out before, and the other one may have set the keyword since.
#[tokio::test]
async fn a_dispatcher_abandons_requests_made_before_another_one_served() {
    let server = LocalServer::start().unwrap();
    let held_up = service(&server).await;
    held_up.release_lease(&held_up.executor).await.unwrap();
    let other = service(&server).await;
    other.release_lease(&other.executor).await.unwrap();
    let time = Request::read("TIME").returns(reply::many::<u64>);
    let now = held_up.executor.send(time).await.unwrap()[0] * 1_000_000;
    let made = [
        ("1", now - 2_000_000, "?another dispatcher served in between"),
        ("2", now + 60_000_000, "+"),
    ];
    for (id, made, expected) in made {
        for keyword in ["HOOKED", "N"] {
            let message = format!("{id}{keyword}\n60000@{made}\n{keyword}\n{id}");
            let request = WriteCommand::read(message.as_bytes()).unwrap();
            let state = &held_up.keywords[&request.keyword];
            held_up.serve(state, &request).await;
            let outcomes = outcomes(&held_up, &format!("{id}{keyword}")).await;
            assert!(outcomes.len() == 1 && outcomes[0].starts_with(expected), "{outcomes:?}");
        }
    }
}

/// Returns the outcomes of a request.
async fn outcomes(
    service: &DispatcherCore<AsyncClient>,
    id: impl std::fmt::Display,
) -> Vec<String> {
    let outcomes = Request::read("LRANGE").key(&service.names.outcome(&id.to_string()));
    let outcomes = outcomes.number(0).number(-1).returns(reply::many::<String>);
    service.executor.send(outcomes).await.unwrap()
}
