//! Writes to Cauldron dispatchers, which acknowledge nothing: the outcome of a request is derived
//! from the status and the value.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::read_values::one;
use crate::client::RoundTrips;
use crate::connection::Push;
use crate::error::{Applied, Error, KeywordError, Result};
use crate::keyword::kind::Kind;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::{Reading, Status};
use crate::listen::{Feed, FeedHandler, FeedInfo, FeedOptions, OF_STRINGS};
use crate::lock::Lock;
use crate::random::unique_id;
use crate::reply;
use crate::request::Request;
use crate::time::{Deadline, Signal};

/// Has a Cauldron dispatcher set a keyword, and returns the resulting state.
pub(crate) async fn write<E: RoundTrips>(
    executor: &E,
    (name, keyword, kind): (&ServiceName, &KeywordName, Kind),
    text: &str,
    deadline: &Deadline,
) -> Result<Reading> {
    let attempt = || name.attempt("write", keyword, true);
    let text = match kind {
        // Only the dispatcher knows the labels.
        Kind::Enumerated | Kind::Mask => Ok(text.to_owned()),
        _ => kind.parse(text, &[]).map(|value| value.to_string()),
    };
    let text =
        text.map_err(|why| Error::InvalidArgument { attempt: attempt(), reason: why.into() })?;
    let before = one(executor, name, keyword).await.map_err(|error| match error {
        Error::Keyword { source: KeywordError::UnknownKeyword, .. } => name.not_served(keyword),
        error => error,
    })?;
    let (listener, _feed) = OutcomeListener::open(executor, name, keyword).await?;
    let publish = |channel: &[u8], text: &str| {
        Request::write("PUBLISH").arg(channel).arg(text).returns(reply::count)
    };
    let sent = (publish(&listener.mark, ""), publish(&name.value(keyword), &text));
    match executor.send_all(sent).await {
        Ok((_, Ok(0))) => return Err(name.not_served(keyword)),
        Ok((_, Err(error))) => return Err(error),
        Err(error) if error.applied() != Applied::Perhaps => return Err(error),
        // A request whose reply was lost may have been received.
        _ => {}
    }
    loop {
        let has_moved = listener.has_been_set();
        let verdict = match one(executor, name, keyword).await {
            Ok(now) => verdict(&before, now, has_moved, &text),
            Err(error) if error.is_transient() => WriteState::Open,
            Err(error) => return Err(error.in_part()),
        };
        match verdict {
            WriteState::Done(now) => return Ok(now),
            WriteState::Refused(reason) => {
                let source = KeywordError::Refused { reason };
                return Err(Error::Keyword { attempt: attempt(), source });
            }
            WriteState::Open if deadline.is_over() => {
                return Err(Error::Timeout { attempt: attempt() });
            }
            WriteState::Open => {
                executor
                    .wait(listener.signal.raised(), deadline.left().min(listener.pause()))
                    .await;
            }
        }
    }
}

/// The outcome of a request, as far as the keyword's state shows it.
enum WriteState {
    Open,
    Done(Reading),
    Refused(String),
}

/// Derives the outcome of a request from a keyword's state. `has_moved` says whether it was set
/// since.
fn verdict(before: &Reading, now: Reading, has_moved: bool, wanted: &str) -> WriteState {
    let is_new_error = before.status != Status::Error || before.error != now.error;
    let is_new = now.text == wanted || now.text != before.text;
    match now.status {
        Status::Modify => WriteState::Open,
        Status::Error if has_moved || is_new_error => {
            WriteState::Refused(now.error.unwrap_or_default())
        }
        Status::Ready if has_moved => WriteState::Done(now),
        _ if is_new => WriteState::Done(now),
        _ => WriteState::Open,
    }
}

/// Receives notifications of a keyword's status and value while one write is under way.
struct OutcomeListener {
    /// A channel that only this subscribes to. The message published on it marks the point before
    /// which no notification is a consequence of the request.
    mark: Vec<u8>,
    signal: Signal,
    state: Lock<State>,
}

/// Notifications received so far, shared by the feed and the writer.
#[derive(Default)]
struct State {
    has_begun: bool,
    has_been_set: bool,
    reports_keys: bool,
}

impl OutcomeListener {
    /// Subscribes to the status and the value of a keyword.
    async fn open<E: RoundTrips>(
        executor: &E,
        name: &ServiceName,
        keyword: &KeywordName,
    ) -> Result<(Arc<Self>, Feed)> {
        let keyspace = format!("__keyspace@{}__:", executor.database()).into_bytes();
        let channel = |key: Vec<u8>| Request::read("SUBSCRIBE").arg([&keyspace[..], &key].concat());
        let mark = name.outcome(&unique_id());
        let options = FeedOptions {
            commands: vec![Request::read("SUBSCRIBE").arg(&mark)],
            optional_commands: vec![channel(name.status(keyword)), channel(name.value(keyword))],
            keyspace: Some(OF_STRINGS),
            warns: false,
            ..FeedOptions::new(name.base())
        };
        let listener = Arc::new(Self { mark, signal: Signal::default(), state: Lock::default() });
        let feed = executor.feed(options, listener.clone()).await?;
        Ok((listener, feed))
    }

    fn has_been_set(&self) -> bool {
        self.state().has_been_set
    }

    /// Returns how long to wait before reading the state regardless of notifications.
    fn pause(&self) -> Duration {
        if self.state().reports_keys { BEAT } else { BLIND }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl FeedHandler for OutcomeListener {
    fn on_push(&self, _server: usize, push: Push<'_>) {
        let Push::Message { channel, payload } = push else { return };
        let mut state = self.state();
        if channel == self.mark {
            state.has_begun = true;
        } else {
            state.has_been_set |= state.has_begun && payload == b"set";
        }
        drop(state);
        self.signal.raise();
    }

    fn on_connected(&self, session: u64, info: FeedInfo, _watermark: u64) {
        let mut state = self.state();
        state.reports_keys = info.reports_keys;
        state.has_begun |= session > 1;
        drop(state);
        self.signal.raise();
    }
}

const BEAT: Duration = Duration::from_secs(1);
/// How often the state is read where the server sends no notifications.
const BLIND: Duration = Duration::from_millis(50);
