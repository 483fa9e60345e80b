//! What values are loaded from in these tests.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis_collections::{
    AsyncClient, CacheClient, CachePolicy, Client, HandlerResult, Loaded, Result,
};
use tokio::sync::watch;

use support::concurrent::{Concurrent, Running};
use support::eventually;
use support::kinds::{Kind, RUNTIME, SourceDown};

/// A kind of client whose loaders may take their time.
pub(crate) trait Loads: Concurrent {
    type Work<T: Send + 'static>: HandlerResult<T, Self>;

    fn work<T: Send + 'static>(load: impl Loading<T>) -> Self::Work<T>;

    /// The same for what uses the client.
    fn call<T: Send + 'static>(load: impl Loading<T>) -> Self::Work<T>;

    /// What a call waits for beside the client. A task gives its thread away meanwhile.
    fn meanwhile<T: Send>(wait: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send;
}

pub(crate) trait Loading<T>: Future<Output = Outcome<T>> + Send + 'static {}

impl<T, F: Future<Output = Outcome<T>> + Send + 'static> Loading<T> for F {}

/// What a loader comes to.
type Outcome<T> = std::result::Result<T, SourceDown>;

impl Loads for Client {
    type Work<T: Send + 'static> = Outcome<T>;

    fn work<T: Send + 'static>(load: impl Loading<T>) -> Outcome<T> {
        RUNTIME.block_on(load)
    }

    fn call<T: Send + 'static>(load: impl Loading<T>) -> Outcome<T> {
        <Self as Kind>::finish(load)
    }

    async fn meanwhile<T: Send>(wait: impl Future<Output = T> + Send) -> T {
        RUNTIME.block_on(wait)
    }
}

impl Loads for AsyncClient {
    type Work<T: Send + 'static> = Pin<Box<dyn Future<Output = Outcome<T>> + Send>>;

    fn work<T: Send + 'static>(load: impl Loading<T>) -> Self::Work<T> {
        Box::pin(load)
    }

    fn call<T: Send + 'static>(load: impl Loading<T>) -> Self::Work<T> {
        Box::pin(load)
    }

    async fn meanwhile<T: Send>(wait: impl Future<Output = T> + Send) -> T {
        wait.await
    }
}

pub(crate) type Cache<C> = CacheClient<u64, u64, C>;

/// All ids have the same value, which is what it was when its load began.
#[derive(Clone)]
pub(crate) struct Source(Arc<State>);

struct State {
    value: AtomicU64,
    loads: AtomicU64,
    end: Mutex<End>,
    is_open: watch::Sender<bool>,
}

/// How loads end.
#[derive(Clone, Copy)]
enum End {
    Finds,
    FindsNone,
    Fails,
    Panics,
}

impl Source {
    pub(crate) fn of(value: u64) -> Self {
        Self(Arc::new(State {
            value: value.into(),
            loads: 0.into(),
            end: Mutex::new(End::Finds),
            is_open: watch::Sender::new(true),
        }))
    }

    /// One whose loads take until it is opened.
    pub(crate) fn shut(value: u64) -> Self {
        let source = Self::of(value);
        source.0.is_open.send_replace(false);
        source
    }

    pub(crate) fn open(&self) {
        self.0.is_open.send_replace(true);
    }

    pub(crate) fn panic(&self) {
        self.end(End::Panics);
    }

    pub(crate) fn fail(&self) {
        self.end(End::Fails);
    }

    pub(crate) fn find_none(&self) {
        self.end(End::FindsNone);
    }

    fn end(&self, end: End) {
        *self.0.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
        self.open();
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.value.store(value, Ordering::SeqCst);
    }

    /// How many loads have begun.
    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn awaits_loads(&self, loads: u64) {
        assert!(eventually(|| self.loads() == loads), "{} loads", self.loads());
    }

    pub(crate) async fn load(self) -> std::result::Result<Loaded<u64>, SourceDown> {
        let value = self.0.value.load(Ordering::SeqCst);
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let opened = self.0.is_open.subscribe().wait_for(|is_open| *is_open).await.is_ok();
        let end = *self.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            End::Finds if opened => Ok(Loaded::new(value)),
            End::FindsNone => Ok(Loaded::absent()),
            End::Finds | End::Fails => Err(SourceDown),
            End::Panics => panic!("a panic that the test wants"),
        }
    }

    pub(crate) fn cache<C: Loads>(&self, client: &C, policy: CachePolicy) -> Cache<C> {
        let source = self.clone();
        let load = move |_: u64, ()| C::work(source.clone().load());
        CacheClient::new(client, "c", policy, load).expect("a cache")
    }
}

/// What a call on a client of kind `C` came to.
macro_rules! call {
    ($call:expr) => {
        C::finish(async { C::settle($call).await })
    };
}

pub(crate) use call;

pub(crate) fn get<C: Loads>(cache: &Cache<C>, id: u64) -> Result<Option<u64>> {
    Ok(call!(cache.get(&id))?.as_deref().copied())
}

pub(crate) fn peek<C: Loads>(cache: &Cache<C>, id: u64) -> Result<Option<u64>> {
    Ok(call!(cache.peek(&id))?.as_deref().copied())
}

/// Lets another caller ask.
pub(crate) fn start<C: Loads>(cache: &Cache<C>, id: u64) -> Running<Result<Option<u64>>> {
    let cache = cache.clone();
    C::start(async move { Ok(C::settle(cache.get(&id)).await?.as_deref().copied()) })
}
