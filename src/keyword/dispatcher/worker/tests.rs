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
