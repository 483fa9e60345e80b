//! Clients of keyword services.
#![cfg(feature = "keyword")]

mod faults;
mod legacy;
mod monitoring;
mod reading;
mod recorded;
mod rights;
mod statuses;
mod writing;

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use redis_collections::keyword::{self, Dispatcher, Keyword, Monitor, Reading, Service};
use redis_collections::{AsyncClient, Client, HandlerResult, Result};
use support::contract::ok;
use support::kinds::{Kind, SERVER, plain};
use support::servers::PATIENCE;
use support::wire::Wire;

/// What a scenario does in another way on each kind of client.
trait Watching: Kind {
    /// Returns the next reading of a monitor, with patience.
    async fn next(monitor: &mut Monitor<Self>) -> Result<Reading>;

    /// A callback that reads one keyword and writes another.
    fn doubling(service: Service<Self>, number: i64) -> impl HandlerResult<(), Self>;

    /// A hook that hangs until the other end says something or is gone.
    fn hanging(until: Arc<Mutex<Receiver<()>>>) -> impl HandlerResult<(), Self>;
}

impl Watching for Client {
    async fn next(monitor: &mut Monitor) -> Result<Reading> {
        monitor.next_within(PATIENCE).expect("a value")
    }

    fn doubling(service: Service, number: i64) -> impl HandlerResult<(), Self> {
        service.read("N")?;
        service.write("TWICE", 2 * number).map(drop)
    }

    fn hanging(until: Arc<Mutex<Receiver<()>>>) -> impl HandlerResult<(), Self> {
        let _ = until.lock().expect("a receiver").recv();
        Result::<()>::Ok(())
    }
}

impl Watching for AsyncClient {
    async fn next(monitor: &mut Monitor<Self>) -> Result<Reading> {
        tokio::time::timeout(PATIENCE, monitor.next()).await.expect("a value")
    }

    fn doubling(service: Service<Self>, number: i64) -> impl HandlerResult<(), Self> {
        async move {
            service.read("N").await?;
            service.write("TWICE", 2 * number).await.map(drop)
        }
    }

    fn hanging(until: Arc<Mutex<Receiver<()>>>) -> impl HandlerResult<(), Self> {
        let wait = move || until.lock().expect("a receiver").recv();
        async move { tokio::task::spawn_blocking(wait).await.map(|_| ()) }
    }
}

/// The keyword and the text of the next reading of a monitor.
macro_rules! delivered {
    ($monitor:expr) => {{
        let reading = C::next(&mut $monitor).await.expect("a value");
        (reading.keyword, reading.text)
    }};
}

fn update(keyword: &str, text: &str) -> (String, String) {
    (keyword.to_owned(), text.to_owned())
}

fn parts<C: Kind>(client: &C, name: &str) -> (Service<C>, String, Wire) {
    let name = plain(name).to_lowercase();
    let wire = Wire::to(SERVER.url(), &name);
    (keyword::Client::new(client).service(&name), name, wire)
}

async fn serve<C: Kind>(
    client: &C,
    service: &str,
    keywords: impl IntoIterator<Item = Keyword<C>>,
) -> Dispatcher<C> {
    ok!(Dispatcher::builder(service).keywords(keywords).serve(client))
}

use delivered;
