//! Who is told of the writes of a client.

use std::borrow::Cow;
use std::sync::Arc;

use crate::request::Request;

/// Is told of each write when it came to an end, or when nobody waits for its end any more.
pub trait WriteObserver: Send + Sync + 'static {
    /// A write was applied, or was not, or may be.
    fn on_write(&self, write: &Request);
}

/// Writes under way.
pub(crate) struct WriteGuard<'a> {
    observer: &'a dyn WriteObserver,
    writes: Vec<Cow<'a, Request>>,
}

impl<'a> WriteGuard<'a> {
    /// One request, if it is a write and there is a observer.
    pub(crate) fn one(
        observer: &'a Option<Arc<dyn WriteObserver>>,
        request: &'a Request,
    ) -> Option<Self> {
        let observer = observer.as_deref().filter(|_| request.writes())?;
        Some(Self { observer, writes: vec![Cow::Borrowed(request)] })
    }

    /// The writes among commands that travel together.
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
