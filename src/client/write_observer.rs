//! Notification of a client's writes.

use std::borrow::Cow;
use std::sync::Arc;

use crate::request::Request;

/// Receives each write when it has ended, or when its caller no longer waits for it.
pub trait WriteObserver: Send + Sync + 'static {
    /// Called after a write was applied, was not, or may have been.
    fn on_write(&self, write: &Request);
}

/// Writes in progress. Notifies the observer of each when it is dropped.
pub(crate) struct WriteGuard<'a> {
    observer: &'a dyn WriteObserver,
    writes: Vec<Cow<'a, Request>>,
}

impl<'a> WriteGuard<'a> {
    /// Guards one request, if it is a write and there is an observer.
    pub(crate) fn one(
        observer: &'a Option<Arc<dyn WriteObserver>>,
        request: &'a Request,
    ) -> Option<Self> {
        let observer = observer.as_deref().filter(|_| request.writes())?;
        Some(Self { observer, writes: vec![Cow::Borrowed(request)] })
    }

    /// Guards the writes among commands that are sent together.
    pub(crate) fn all(
        observer: &'a Option<Arc<dyn WriteObserver>>,
        requests: &[&Request],
    ) -> Option<Self> {
        let observer = observer.as_deref()?;
        let writes = requests.iter().filter(|request| request.writes());
        Some(Self { observer, writes: writes.map(|&write| Cow::Owned(write.clone())).collect() })
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        self.writes.iter().for_each(|write| self.observer.on_write(write));
    }
}
