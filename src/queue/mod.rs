//! Work queues: leases on plain lists.
//!
//! A job is at every moment in the queue's list, in the list of the consumer that has claimed it,
//! among the delayed jobs or in the dead-letter queue. Consumers renew leases. The jobs of a
//! consumer whose lease has expired go back to the head of the queue.

mod consumer;
mod dead;
mod inspect;
mod item;
mod job;
mod keys;
mod maintenance;
#[cfg(test)]
mod model;
mod peek;
mod scripts;
mod session;
mod settings;
mod shared_settings;
mod stats;
mod work_queue;
mod worker;

pub use self::consumer::Consumer;
pub use self::dead::{DeadJob, DeadLetters};
pub use self::inspect::{ClaimedJob, ConsumerState};
#[cfg(test)]
pub(crate) use self::item::read_item;
pub use self::job::Job;
#[cfg(test)]
pub(crate) use self::keys::keys_of;
pub use self::peek::PendingJob;
pub use self::settings::QueueSettings;
pub use self::stats::{QueueRates, QueueStats};
pub use self::work_queue::WorkQueue;
pub use self::worker::{JobResult, StopHandle, Worker};
