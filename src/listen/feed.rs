//! Feeds: streams of the servers' push messages, which reconnect until they are dropped.

use std::sync::Arc;

use super::handler::{FeedHandler, FeedOptions};
use super::session::Session;
use crate::connection::Node;
use crate::error::Result;
use crate::logs;
use crate::routing::Router;
use crate::time::Pauses;
use crate::time::Signal;

/// Notifies the handler of the feed's end when its background work ends, unless the feed was
/// dropped.
struct EndNotifier {
    handler: Arc<dyn FeedHandler>,
    signal: Arc<Signal>,
}

impl Drop for EndNotifier {
    fn drop(&mut self) {
        if !self.signal.is_closed() {
            self.handler.on_end();
        }
    }
}

/// The error of a feed that has ended.
pub(crate) fn has_ended() -> crate::error::Error {
    crate::error::Error::Configuration(HAS_ENDED.into())
}

const HAS_ENDED: &str =
    "the async runtime of this subscription has ended: subscribe again in a running one";

/// A stream of the servers' push messages, until it is dropped.
#[derive(Debug)]
pub struct Feed {
    signal: Arc<Signal>,
}

impl Feed {
    /// Connects, and reconnects whenever the connection is lost. Only a failure of the first
    /// attempt is an error. That attempt has a call's time limit, and fails when a server has been
    /// silent for the response timeout.
    pub(crate) async fn open<N: Node>(
        router: Arc<Router<N>>,
        options: FeedOptions,
        handler: Arc<dyn FeedHandler>,
    ) -> Result<Self> {
        let signal = Arc::new(Signal::default());
        let feed = Self { signal: signal.clone() };
        let first = Session::open(&router, &options, &handler, &signal, 1).await?;
        warn(&first, &options, false);
        let notifier = EndNotifier { handler, signal };
        let work = keep(router, options, notifier, first);
        N::spawn(work).map_err(|error| {
            let problem = format!("cannot start the background work of a subscription: {error}");
            crate::error::Error::Configuration(problem)
        })?;
        Ok(feed)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.signal.close();
    }
}

/// Runs one session after the other until the feed is dropped.
async fn keep<N: Node>(
    router: Arc<Router<N>>,
    options: FeedOptions,
    notifier: EndNotifier,
    first: Session<N>,
) {
    let EndNotifier { handler, signal } = &notifier;
    let mut is_blind = first.blindness().is_some();
    let mut session = Some(first);
    let mut number = 1;
    let mut pauses = Pauses::new();
    while !signal.is_closed() {
        if let Some(session) = session.take() {
            session.run(&router, &options, signal, &**handler).await;
            if !signal.is_closed() {
                handler.on_disconnected(number);
            }
            pauses = Pauses::new();
        } else {
            N::rest(signal, pauses.next()).await;
        }
        if !signal.is_closed() {
            number += 1;
            session = Session::open(&router, &options, handler, signal, number).await.ok();
            if let Some(session) = &session {
                is_blind = warn(session, &options, is_blind);
            }
        }
    }
    if let Some(session) = session {
        session.end(router.servers.deadline()).await;
    }
}

/// Logs that a session sees fewer changes than requested, unless the previous one did so as well.
/// Returns whether it does.
fn warn<N: Node>(session: &Session<N>, options: &FeedOptions, was_blind: bool) -> bool {
    let blindness = session.blindness();
    if let Some(error) = blindness.filter(|_| options.warns && !was_blind) {
        logs::foreign_writes_unseen(&options.base, error);
    }
    blindness.is_some()
}
