//! Dispatchers of keyword services, whose clients are played by plain commands.
#![cfg(feature = "keyword")]

mod faults;
mod hooks;
mod start;
mod statuses;
mod values;
mod vectors;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_collections::keyword::Value;
use redis_collections::{AsyncClient, Client, HandlerResult};
use support::kinds::{Kind, SERVER, SourceDown, plain};
use support::servers::PATIENCE;
use support::wire::Wire;
use support::within;
use tokio::sync::watch;
use tokio::time::timeout;

/// The service of a scenario, and a program that knows it.
fn wire(name: &str) -> (String, Wire) {
    let service = plain(name).to_lowercase();
    let wire = Wire::to(SERVER.url(), &service);
    (service, wire)
}

/// Counts the calls of a hook.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn counted(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A hook that fails for 13 and panics for 14.
fn superstitious<C: Kind>(calls: &Calls) -> impl Fn(Value) -> C::Loading<()> + use<C> {
    let calls = calls.clone();
    move |value| {
        calls.count();
        match value.as_i64() {
            Some(13) => C::loading(Err(SourceDown)),
            Some(14) => panic!("the hook of a test"),
            _ => C::loading(Ok(())),
        }
    }
}

/// Holds hooks up until it is opened.
#[derive(Clone, Default)]
struct Gate {
    is_open: Arc<watch::Sender<bool>>,
    inside: Calls,
}

impl Gate {
    fn open(&self) {
        self.is_open.send_replace(true);
    }

    fn wait_for_a_caller(&self) {
        assert!(within(PATIENCE, || self.inside.counted() > 0), "no request comes");
    }
}

/// Clients whose hooks can be held up.
trait Patient: Kind {
    type Waiting<T: Send + 'static>: HandlerResult<T, Self>;

    fn wait_for<T: Send + 'static>(gate: &Gate, value: T) -> Self::Waiting<T>;
}

impl Patient for Client {
    type Waiting<T: Send + 'static> = Result<T, SourceDown>;

    fn wait_for<T: Send + 'static>(gate: &Gate, value: T) -> Self::Waiting<T> {
        gate.inside.count();
        within(PATIENCE, || *gate.is_open.borrow()).then_some(value).ok_or(SourceDown)
    }
}

impl Patient for AsyncClient {
    type Waiting<T: Send + 'static> = Pin<Box<dyn Future<Output = Result<T, SourceDown>> + Send>>;

    fn wait_for<T: Send + 'static>(gate: &Gate, value: T) -> Self::Waiting<T> {
        let gate = gate.clone();
        Box::pin(async move {
            gate.inside.count();
            let mut is_open = gate.is_open.subscribe();
            let opened = timeout(PATIENCE, is_open.wait_for(|is_open| *is_open)).await.is_ok();
            opened.then_some(value).ok_or(SourceDown)
        })
    }
}
