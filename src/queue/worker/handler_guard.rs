//! The owner of a job in a worker, until its handler has ended.

use std::thread;

use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::panic::message;
use crate::queue::job::{Job, JobHandle};
use crate::queue::session::Fate;
use crate::queue::settings::QueueSettings;

/// Decides the fate of a job. On drop a job without a conclusion is given back if its handler has
/// begun, and released otherwise.
pub(crate) struct HandlerGuard {
    handle: JobHandle,
    settings: QueueSettings,
    begun: bool,
}

impl HandlerGuard {
    /// Takes the decision about `job` over from the job itself.
    pub(crate) fn of<T: Codec, E: RoundTrips>(
        job: Job<T, E>,
        settings: QueueSettings,
    ) -> (Job<T, E>, Self) {
        let (job, handle) = job.entrusted();
        (job, Self { handle, settings, begun: false })
    }

    /// Records that the handler begins, so that the job counts as delivered.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
        self.handle.session.has_begun(self.handle.number);
    }

    /// Decides by the handler's result or panic, unless the handler has decided by itself.
    pub(crate) fn conclude(self, handled: thread::Result<Result<(), String>>) {
        let fate = match handled {
            Ok(Ok(())) => Fate::Done,
            Ok(Err(reason)) => self.failed(reason),
            Err(panic) => self.failed(format!("its handler panicked: {}", message(&*panic))),
        };
        self.handle.decide(fate);
    }

    /// The fate of a failed job: a retry after its backoff.
    fn failed(&self, reason: String) -> Fate {
        Fate::Retry(self.settings.pause(self.handle.deliveries), reason)
    }
}

impl Drop for HandlerGuard {
    /// An earlier decision stays.
    fn drop(&mut self) {
        self.handle.decide(if self.begun { Fate::GivenBack } else { Fate::Released });
    }
}
