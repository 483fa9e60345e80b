//! The kinds of client that every contract scenario runs on.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use redis_collections::{Client, LocalServer, Result, RoundTrips, Scan};

/// The server of this test program.
pub(crate) static SERVER: LazyLock<LocalServer> =
    LazyLock::new(|| LocalServer::start().expect("a server"));

/// A client of [`SERVER`].
pub(crate) fn client() -> Client {
    Client::open(SERVER.url()).expect("a connection")
}

/// How to use a kind of client from a scenario that knows only that it is one.
pub(crate) trait Kind: RoundTrips {
    /// Runs a scenario with a client and a name that no other scenario has.
    fn run<F: Future<Output = ()>>(
        scenario: impl FnOnce(Self, &'static str) -> F,
        name: &'static str,
    );

    /// What a call came to.
    async fn settle<T>(reply: Self::Reply<T>) -> Result<T>;

    /// All that an iteration finds.
    async fn collect<T: Send + 'static>(scan: Scan<T, Self>) -> Vec<Result<T>>;
}

impl Kind for Client {
    fn run<F: Future<Output = ()>>(
        scenario: impl FnOnce(Self, &'static str) -> F,
        name: &'static str,
    ) {
        let scenario = pin!(scenario(client(), name));
        let polled = scenario.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(()), "a blocking client never suspends");
    }

    async fn settle<T>(reply: Result<T>) -> Result<T> {
        reply
    }

    async fn collect<T: Send + 'static>(scan: Scan<T, Self>) -> Vec<Result<T>> {
        scan.collect()
    }
}

/// Runs each scenario, an `async fn(client, name)`, on every kind of client.
macro_rules! contract {
    ($($scenario:ident),+ $(,)?) => {
        mod on_client {
            $(
                #[test]
                fn $scenario() {
                    let scenario = super::$scenario::<redis_collections::Client>;
                    <redis_collections::Client as crate::support::kinds::Kind>::run(
                        scenario,
                        concat!(module_path!(), "-", stringify!($scenario)),
                    );
                }
            )+
        }
    };
}

/// What a call on a client of kind `C` came to.
macro_rules! settle {
    ($call:expr) => {
        C::settle($call).await
    };
}

/// What a successful call on a client of kind `C` gave.
macro_rules! ok {
    ($call:expr) => {
        C::settle($call).await.expect(stringify!($call))
    };
}

/// What an iteration on a client of kind `C` found, in order, when nothing went wrong.
macro_rules! sorted {
    ($scan:expr) => {{
        let found: redis_collections::Result<Vec<_>> =
            C::collect($scan).await.into_iter().collect();
        let mut found = found.expect(stringify!($scan));
        found.sort();
        found
    }};
}

pub(crate) use {contract, ok, settle, sorted};
