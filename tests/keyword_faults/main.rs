//! The keyword service while something goes wrong.
#![cfg(feature = "keyword")]

mod crowds;
mod endings;
mod extremes;
mod failover;
mod hooks;
mod limits;
mod processes;
mod servers;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis_collections::Result;
use redis_collections::keyword::{self, Dispatcher, Keyword, Reading, Service, Value};
use support::kinds::Kind;
use support::patient::Patient;

/// Short, so that tests need not wait for long, but longer than a busy machine keeps a thread
/// waiting.
const LEASE: Duration = Duration::from_millis(1500);

async fn connect<C: Kind>(url: &str) -> C {
    C::build(C::builder(url)).await.expect("a connection")
}

fn dome<C: Kind>(client: &C) -> Service<C> {
    keyword::Client::new(client).service("dome")
}

/// A dispatcher whose lease outlasts whatever keeps the server or the machine busy.
async fn serve_patiently<C: Kind>(client: &C, keyword: Keyword<C>) -> Dispatcher<C> {
    let dispatcher = Dispatcher::builder("dome").keyword(keyword).lease(support::servers::PATIENCE);
    C::settle(dispatcher.serve(client)).await.expect("a free name")
}

async fn serve<C: Kind>(
    client: &C,
    keywords: impl IntoIterator<Item = Keyword<C>>,
) -> Result<Dispatcher<C>> {
    C::settle(Dispatcher::builder("dome").keywords(keywords).lease(LEASE).serve(client)).await
}

/// A write on a thread of its own.
fn write<C: Kind>(
    service: &Service<C>,
    keyword: &'static str,
    value: impl Into<Value>,
    time: Duration,
) -> JoinHandle<Result<Reading>> {
    let (service, value) = (service.clone(), value.into());
    thread::spawn(move || C::finish(C::settle(service.write_within(keyword, value, time))))
}
