use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::UpdateBuffer;
use super::monitor::{Monitor, next};
use crate::client::RoundTrips;
use crate::episode::Episode;
use crate::error::{Error, KeywordError, Result};
use crate::handler_result::{HandlerResult, contained};
use crate::keyword::client::Service;
use crate::keyword::client::one;
use crate::keyword::reading::Reading;
use crate::listen::Feed;
use crate::logs;
use crate::time::Deadline;
use crate::time::Wait;

/// Calls a function for each change of some keywords, until it is dropped.
#[must_use = "nothing is watched any more once this is dropped"]
pub struct Watch {
    buffer: Arc<UpdateBuffer>,
    _feed: Feed,
}

impl<E: RoundTrips> Service<E> {
    /// Calls `callback` for the present state of each keyword and then for each change, as a
    /// [`Monitor`] reports them, until the [`Watch`] is dropped.
    ///
    /// The calls are made in turn, on a thread or in a task of their own, and may read and write
    /// keywords themselves. A call that fails or panics is logged, and so is an error of the
    /// monitor.
    pub fn watch<R: HandlerResult<(), E>>(
        &self,
        keywords: impl IntoIterator<Item = impl AsRef<str>>,
        callback: impl Fn(Reading) -> R + Send + Sync + 'static,
    ) -> E::Reply<Watch> {
        let service = self.clone();
        let keywords = keywords.into_iter();
        let keywords: Result<_> =
            keywords.map(|keyword| self.keyword("watch", keyword.as_ref())).collect();
        self.executor.converse(async move {
            let Monitor { executor, buffer, feed, .. } =
                Monitor::open(&service, Some(keywords?)).await?;
            executor.background(call_back(executor.clone(), buffer.clone(), callback));
            Ok(Watch { buffer, _feed: feed })
        })
    }

    /// Waits until a keyword meets `condition`, and returns it. One round trip if it does already.
    ///
    /// The condition receives the readings of a [`Monitor`]: value, status, error, and whether a
    /// dispatcher serves the keyword. `|it| it.status != Status::Modify || !it.is_served` therefore
    /// waits only while there is a dispatcher to wait for.
    pub fn wait_for(
        &self,
        keyword: &str,
        condition: impl Fn(&Reading) -> bool + Send + 'static,
        time: Duration,
    ) -> E::Reply<Reading> {
        let service = self.clone();
        let keyword = self.keyword("wait_for", keyword);
        self.executor.converse(async move {
            let (name, keyword) = (service.name("wait_for")?, keyword?);
            let deadline = Deadline::after(Wait::For(time));
            let present = one(&service.executor, name, &keyword).await?;
            if condition(&present) {
                return Ok(present);
            }
            let monitor = Monitor::open(&service, Some([keyword.clone()].into())).await?;
            loop {
                let (executor, buffer) = (monitor.executor.clone(), monitor.buffer.clone());
                match next(executor, buffer, Wait::For(deadline.left())).await? {
                    Some(Ok(reading)) if condition(&reading) => return Ok(reading),
                    Some(Ok(_)) => {}
                    Some(Err(error))
                        if error.keyword_error() == Some(&KeywordError::UnknownKeyword) => {}
                    Some(Err(error)) => return Err(error),
                    None => {
                        let attempt =
                            service.name("wait_for")?.attempt("wait_for", &keyword, false);
                        return Err(Error::Timeout { attempt });
                    }
                }
            }
        })
    }
}

/// Calls `callback` for each reading until the signal is closed.
async fn call_back<E: RoundTrips, R: HandlerResult<(), E>>(
    executor: E,
    buffer: Arc<UpdateBuffer>,
    callback: impl Fn(Reading) -> R + Send + Sync,
) {
    let is_interrupted = Episode::default();
    loop {
        match next(executor.clone(), buffer.clone(), Wait::Forever).await {
            Ok(None) => return,
            Ok(Some(Ok(reading))) => {
                is_interrupted.ends();
                let keyword = reading.keyword.clone();
                let call = async { callback(reading).answer().await };
                if let Err(error) = contained(call).await {
                    logs::watch_callback_failed(&keyword, &error);
                }
            }
            Ok(Some(Err(error))) => logs::watch_interrupted(&error),
            Err(error) => {
                if is_interrupted.begins() {
                    logs::watch_interrupted(&error);
                }
                executor.wait(buffer.signal.raised(), PAUSE).await;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.buffer.signal.close();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

const PAUSE: Duration = Duration::from_secs(1);
