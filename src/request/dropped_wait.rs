//! The report of a blocking request's outcome after its caller dropped it.

use std::fmt;
use std::sync::Arc;

use redis::Value;

use crate::lock::Lock;

/// The callback for the end of a dropped wait. Copies of a request share it, so that it is called
/// at most once.
#[derive(Clone)]
pub(crate) struct DropReport(Arc<Lock<Option<Report>>>);

/// The callback, which gets the reply, or `None` if the outcome is unknown.
type Report = Box<dyn FnOnce(Option<Value>) + Send>;

impl DropReport {
    pub(super) fn new(report: impl FnOnce(Option<Value>) + Send + 'static) -> Self {
        Self(Arc::new(Lock::new(Some(Box::new(report)))))
    }

    /// Takes over the duty to report, unless another part of the call has done so.
    pub(crate) fn take(&self, outcome: Option<Value>) -> Option<Reporter> {
        let report = self.0.lock().take();
        report.map(|report| Reporter { report: Some(report), outcome })
    }
}

impl fmt::Debug for DropReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropReport").finish_non_exhaustive()
    }
}

/// Reports the outcome when it is dropped.
pub(crate) struct Reporter {
    report: Option<Report>,
    pub(crate) outcome: Option<Value>,
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.outcome.take());
        }
    }
}

/// One wait, from its first slice to its reply. If it is dropped while the server does not wait, it
/// reports that nothing was taken.
pub(crate) struct Attended<'a> {
    drop_report: Option<&'a DropReport>,
    /// Whether an earlier slice may have taken an item.
    pub(crate) in_doubt: bool,
}

impl<'a> Attended<'a> {
    pub(crate) fn new(drop_report: Option<&'a DropReport>) -> Self {
        Self { drop_report, in_doubt: false }
    }

    /// Ends the wait with a reply or an error for the caller, so that there is nothing to report.
    pub(crate) fn end(mut self) {
        self.drop_report = None;
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if let Some(drop_report) = self.drop_report {
            let outcome = if self.in_doubt { None } else { Some(Value::Nil) };
            drop(drop_report.take(outcome));
        }
    }
}
