//! Near caches while something goes wrong: how old the values are that they serve, and that they
//! begin to serve again.

mod connections;
mod cut_off;
mod rights;
mod servers;
mod vanishing;

use std::time::Duration;

use redis_collections::{Client, LocalServer};
use support::concurrent::Concurrent;
use support::servers::Outcome;
use support::servers::proxy::Proxy;
use support::staleness::Watches;

/// How long a server that hangs is waited for.
const IMPATIENT: Duration = Duration::from_millis(700);

/// A server, and caches that reach it through a proxy, with writers that reach it directly.
struct Fixture<C: Concurrent> {
    // Dropped in this order: the caches end while the server answers.
    watches: Watches<C>,
    proxy: Proxy,
    server: LocalServer,
}

impl<C: Concurrent> Fixture<C> {
    fn start() -> Outcome<Self> {
        let server = LocalServer::start()?;
        let proxy = Proxy::to(server.port())?;
        let reader = C::connect(C::builder(&proxy.url()).response_timeout(IMPATIENT));
        let writer = Client::connect(Client::builder(server.url()).response_timeout(IMPATIENT));
        let watches = Watches::start(&reader, &writer, "watched");
        Ok(Self { watches, proxy, server })
    }

    fn finish(self, what: &str) -> Outcome {
        self.watches.finish(what);
        Ok(())
    }
}
