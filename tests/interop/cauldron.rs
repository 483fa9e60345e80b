//! Dispatchers and clients of Cauldron's with the ones here, if `CAULDRON_PATH` names a checkout of
//! it.

mod clients;
mod dispatchers;
mod names;
mod texts;

use std::env;
use std::io::{self, Write};
use std::sync::Once;

use redis_collections::LocalServer;
use redis_collections::keyword::{self, Service};

use crate::peer::{Peer, assert_done, start};
use support::kinds::Kind;
use support::servers::run;
use support::wire::Wire;

/// Runs each scenario, an `async fn<C: Kind>(server: LocalServer, client: C)`, on both kinds of
/// client.
macro_rules! with_cauldron {
    ($($scenario:ident),+ $(,)?) => {
        $crate::cauldron::with_cauldron!(@client redis_collections::Client; $($scenario),+);
        $crate::cauldron::with_cauldron!(
            @async_client redis_collections::AsyncClient; $($scenario),+
        );
    };
    (@$kind:ident $client:ty; $($scenario:ident),+) => {
        mod $kind {
            $(
                #[test]
                fn $scenario() {
                    $crate::cauldron::try_out::<$client, _>(super::$scenario);
                }
            )+
        }
    };
}

use with_cauldron;

fn try_out<C: Kind, F: Future<Output = ()>>(scenario: impl FnOnce(LocalServer, C) -> F) {
    static SAID: Once = Once::new();
    if env::var_os("CAULDRON_PATH").is_none() {
        // The test harness keeps what is merely printed to itself.
        SAID.call_once(|| drop(io::stderr().write_all(SKIPPED.as_bytes())));
        return;
    }
    C::finish(async {
        let (server, client) = start().await;
        scenario(server, client).await;
    });
}

const SKIPPED: &str = "\nSkipped all tests with Cauldron: name a checkout of it that has \
    extras/Cauldron_redis, as in `make interop CAULDRON_PATH=../Cauldron`.\n";

/// The service of the scenarios.
const DOME: &str = "dome";

fn dome<C: Kind>(client: &C) -> Service<C> {
    keyword::Client::new(client).service(DOME)
}

fn wire(server: &LocalServer) -> Wire {
    Wire::to(server.url(), DOME)
}

/// A dispatcher of Cauldron's, until it is dropped: then it crashes.
struct Cauldron<'a> {
    server: &'a LocalServer,
    peer: Peer,
}

impl<'a> Cauldron<'a> {
    /// Serves keywords, each given as `NAME:type` or `NAME:type=initial`; options may follow.
    fn serve(server: &'a LocalServer, keywords: &[&str]) -> Self {
        let peer = Peer::start(server, [&["cauldron-serve", DOME], keywords].concat());
        peer.expect_ready();
        Self { server, peer }
    }

    /// Has it set a keyword, given as `NAME=value`.
    fn set(&self, value: &str) {
        self.order(value);
        assert_done(&[self.peer.expect_line("set", |line| line["op"] == "set")]);
    }

    fn shut_down(self) {
        self.order("shutdown");
        assert_eq!(self.peer.lines().last().expect("an end")["op"], "end");
    }

    fn order(&self, order: &str) {
        let _: usize =
            run(self.server.url(), redis::cmd("RPUSH").arg("orders").arg(order)).expect("a reply");
    }
}
