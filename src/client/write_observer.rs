//! Who is told of the writes of a client.

use std::borrow::Cow;
use std::sync::Arc;

use crate::request::Request;

/// Is told of each write when it came to an end, or when nobody waits for its end any more.
pub trait Witness: Send + Sync + 'static {
    /// A write was applied, or was not, or may be.
    fn ended(&self, write: &Request);
}

/// Writes under way.
pub(crate) struct Witnessed<'a> {
    witness: &'a dyn Witness,
    writes: Vec<Cow<'a, Request>>,
}

impl<'a> Witnessed<'a> {
    /// One request, if it is a write and there is a witness.
    pub(crate) fn one(witness: &'a Option<Arc<dyn Witness>>, request: &'a Request) -> Option<Self> {
        let witness = witness.as_deref().filter(|_| request.writes())?;
        Some(Self { witness, writes: vec![Cow::Borrowed(request)] })
    }

    /// The writes among commands that travel together.
    pub(crate) fn all(
        witness: &'a Option<Arc<dyn Witness>>,
        requests: &[&Request],
    ) -> Option<Self> {
        let witness = witness.as_deref()?;
        let writes = requests.iter().filter(|request| request.writes());
        Some(Self { witness, writes: writes.map(|&write| Cow::Owned(write.clone())).collect() })
    }
}

impl Drop for Witnessed<'_> {
    fn drop(&mut self) {
        self.writes.iter().for_each(|write| self.witness.ended(write));
    }
}
