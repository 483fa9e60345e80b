use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::item::Item;
use super::session::ConsumerSession;
use super::session::{Fate, GIVEN_BACK};
use crate::client::{Client, RoundTrips};
use crate::codec::{Codec, Undecodable};
use crate::error::Error;
use crate::logs;
use crate::panic::message;

/// A job that a [`Consumer`](crate::Consumer) has claimed, exclusively for as long as the lease
/// lasts. It dereferences to the pushed value.
///
/// Its settlement is sent with the consumer's next claim, at latest a tenth of a second later.
/// Until then a crash delivers it once more. Dropping the job gives it back to the head of the
/// queue, and counts as a failed delivery.
#[must_use = "a job that is dropped goes back to the queue"]
pub struct Job<T: Codec, E: RoundTrips = Client> {
    claim: Claim,
    value: T::Owned,
    /// Whether a consumer was lost while it held this job.
    was_lost: bool,
    executor: E,
}

/// The claim of a [`Job`], which gives it back on drop unless its fate is decided.
struct Claim {
    handle: JobHandle,
    /// Whether a worker decides the job's fate if it is dropped.
    has_worker: bool,
}

/// Decides the fate of a job. Shares the consumer's session.
#[derive(Clone)]
pub(super) struct JobHandle {
    pub(super) session: Arc<ConsumerSession>,
    pub(super) number: u64,
    pub(super) deliveries: u32,
    id: Option<Arc<str>>,
}

impl JobHandle {
    /// Returns whether the job was still undecided and held.
    pub(super) fn decide(&self, fate: Fate) -> bool {
        let failure = fate.is_failure().then(|| fate.clone().bounded());
        let is_decided = self.session.decide(self.number, fate);
        if let Some(fate) = failure.filter(|_| is_decided) {
            self.log(&fate);
        }
        is_decided
    }

    /// Logs that the job has failed, or goes to the dead-letter queue.
    fn log(&self, fate: &Fate) {
        let (queue, id) = (self.session.keys.queue(), self.id.as_deref());
        let deliveries = self.deliveries.saturating_add(1);
        let buried = |reason: &str| logs::job_buried(queue, id, deliveries, reason);
        match fate {
            Fate::Bury(reason) => buried(reason),
            Fate::Retry(_, reason) if self.is_last_attempt() => buried(reason),
            Fate::Retry(delay, reason) => {
                let reason = if reason == EXHAUSTED { MARKED } else { reason };
                logs::job_failed(queue, id, deliveries, *delay, reason);
            }
            Fate::GivenBack if self.is_last_attempt() => buried(GIVEN_BACK),
            _ => {}
        }
    }

    /// Returns whether a failure of this delivery moves the job to the dead-letter queue, as far as
    /// this program knows the settings.
    fn is_last_attempt(&self) -> bool {
        self.deliveries.saturating_add(1) >= self.session.shared_settings().max_deliveries
    }
}

impl<T: Codec, E: RoundTrips> Job<T, E> {
    /// Decodes a job that `session` has handed out.
    pub(super) fn new(
        session: &Arc<ConsumerSession>,
        executor: &E,
        (number, bytes): (u64, Vec<u8>),
    ) -> std::result::Result<Self, Undecodable> {
        let item = Item::parse(&bytes);
        let (deliveries, was_lost, id) = (item.deliveries, item.was_lost(), item.id);
        let id = id.map(|id| String::from_utf8_lossy(id).into());
        let value = if item.payload.len() == bytes.len() {
            T::decode_owned(bytes)?
        } else {
            T::decode_owned(item.payload.to_vec())?
        };
        let handle = JobHandle { session: session.clone(), number, deliveries, id };
        let claim = Claim { handle, has_worker: false };
        Ok(Self { claim, value, was_lost, executor: executor.clone() })
    }

    /// The job's id in the queue. A job has one once it was delayed, failed or was given back.
    pub fn id(&self) -> Option<&str> {
        self.claim.handle.id.as_deref()
    }

    /// Counts deliveries that ended without `done`: failed, dropped, or lost after the job had
    /// begun. It is 0 at the first delivery.
    pub fn deliveries(&self) -> u32 {
        self.claim.handle.deliveries
    }

    /// Returns whether it was delivered before, or may have been, so that a part of the work may be
    /// done already: an earlier delivery failed or was dropped, or a consumer was lost while
    /// holding the job, even if it had not begun.
    pub fn redelivered(&self) -> bool {
        self.deliveries() > 0 || self.was_lost
    }

    /// Returns whether a failure of this delivery moves the job to the dead-letter queue, since it
    /// has been delivered [`max_deliveries`](crate::QueueSettings::max_deliveries) times with this
    /// one.
    pub fn is_last_attempt(&self) -> bool {
        self.claim.handle.is_last_attempt()
    }

    /// Returns whether it would be buried if a consumer were lost while holding it once more.
    pub(super) fn is_last(&self, max_deliveries: u32) -> bool {
        self.was_lost && self.deliveries().saturating_add(1) >= max_deliveries
    }

    /// Returns whether another consumer may have it meanwhile: the server was not reached for half
    /// a lease, has given it to another consumer, or has come back without knowing of it.
    pub fn lost_lease(&self) -> bool {
        self.claim.handle.session.may_have_lost(self.claim.handle.number)
    }

    /// Takes the value out of the job.
    ///
    /// In a worker the result of the handler still decides about the job, as if the value had only
    /// been borrowed. A job from [`Consumer::next`](crate::Consumer::next) is marked as done, as by
    /// [`done`](Self::done), since nothing is left that could give it back: it is not delivered
    /// again if what follows fails. To take the value only after the work, borrow it first.
    pub fn into_inner(self) -> T::Owned {
        let Self { claim, value, .. } = self;
        if !claim.has_worker {
            claim.handle.decide(Fate::Done);
        }
        value
    }

    /// Marks the job as done. The server is notified with the consumer's next claim.
    pub fn done(self) {
        self.claim.handle.decide(Fate::Done);
    }

    /// Marks the job as done, and returns once the server knows. One round trip.
    ///
    /// The error is [`LeaseLost`](Error::LeaseLost) if another consumer has got it meanwhile. The
    /// call waits for a claim of its consumer that is in flight. Do not await it beside a future of
    /// `next` that is neither polled nor dropped meanwhile.
    pub fn done_now(self) -> E::Reply<()> {
        let executor = self.executor.clone();
        // The drop of the job leaves the settling to this.
        let (job, handle) = self.entrusted();
        let was_held = handle.decide(Fate::Done);
        drop(job);
        executor.clone().converse(async move {
            while was_held && handle.session.ledger().jobs.contains(handle.number) {
                handle.session.settle(&executor).await?;
            }
            if !was_held || handle.session.ledger().jobs.was_forgotten(handle.number) {
                return Err(Error::LeaseLost { attempt: Box::new(handle.session.attempt()) });
            }
            Ok(())
        })
    }

    /// Marks the job as failed. It is delivered again after `delay`, unless that was the last
    /// delivery.
    pub fn retry(self, delay: Duration) {
        self.claim.handle.decide(Fate::Retry(delay, EXHAUSTED.into()));
    }

    /// Moves the job to the dead-letter queue.
    pub fn bury(self, why: impl Into<String>) {
        self.claim.handle.decide(Fate::Bury(why.into()));
    }

    /// Hands the decision over to a worker.
    pub(super) fn entrusted(mut self) -> (Self, JobHandle) {
        self.claim.has_worker = true;
        let handle = self.claim.handle.clone();
        (self, handle)
    }
}

impl<T: Codec, E: RoundTrips> Deref for Job<T, E> {
    type Target = T::Owned;

    fn deref(&self) -> &T::Owned {
        &self.value
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.has_worker {
            // An earlier decision stays.
            self.handle.decide(Fate::GivenBack);
            self.handle.session.await_leaving();
        }
    }
}

/// Shows no value.
impl<T: Codec, E: RoundTrips> fmt::Debug for Job<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, deliveries) = (self.id(), self.deliveries());
        f.debug_struct("Job")
            .field("id", &id)
            .field("deliveries", &deliveries)
            .finish_non_exhaustive()
    }
}

/// Takes the next job, or none; `Some(None)` if it cannot be decoded.
pub(super) fn take<T: Codec, E: RoundTrips>(
    session: &Arc<ConsumerSession>,
    executor: &E,
    begins: bool,
) -> Option<Option<Job<T, E>>> {
    let taken = session.take(begins)?;
    let number = taken.0;
    let item = Item::parse(&taken.1);
    let deliveries = item.deliveries;
    let id = item.id.map(|id| String::from_utf8_lossy(id).into_owned());
    let reason = match catch_unwind(AssertUnwindSafe(|| Job::new(session, executor, taken))) {
        Ok(Ok(job)) => return Some(Some(job)),
        Ok(Err(undecodable)) => undecodable.to_string(),
        Err(panic) => format!("decoding it panicked: {}", message(&*panic)),
    };
    let (queue, id, times) = (session.keys.queue(), id.as_deref(), deliveries.saturating_add(1));
    logs::job_undecodable(queue, id, times, &reason);
    let buries = session.settings.buries_undecodable;
    if buries || times >= session.shared_settings().max_deliveries {
        logs::job_buried(queue, id, times, &reason);
    }
    let fate = if buries {
        Fate::Bury(reason)
    } else {
        Fate::Retry(session.settings.pause(deliveries), reason)
    };
    session.decide(number, fate);
    Some(None)
}

/// The reason of the last failure of a job that was marked as failed, and of earlier ones.
const EXHAUSTED: &str = "max_deliveries reached";
const MARKED: &str = "it was marked as failed";
