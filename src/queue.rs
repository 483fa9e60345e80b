//! Work queues: leases on plain lists.
//!
//! A job is at every moment in the queue's list, in the list of the consumer that has claimed it, among
//! the delayed jobs or in the dead list. Consumers renew leases; what one held whose lease has run out
//! goes back to the head of the queue.
//!
//! ```text
//! item, keys      what the lists hold and what they are called (pure)
//! ledger          what a consumer holds, and what a lost reply means for it (pure)
//! model           all that can happen to two ledgers and a server (a test)
//! scripts, *.lua  what happens on the server
//! flight          what is on its way to the server, and what its loss means
//! hold            one consumer's ledger, and its round trips
//! idle            a consumer's wait for a job, which its caller may drop
//! keeper          the thread that beats, settles, and sweeps
//! sweeper         the look for lost consumers and abandoned ids
//! terms           settings that belong to the queue
//! consumer, job   the faces of a hold
//! worker          handlers
//! waiting, dead   looking at jobs without claiming them
//! ```

mod consumer;
mod custody;
mod dead;
mod flight;
mod hold;
mod idle;
mod item;
mod job;
mod keeper;
mod keys;
mod ledger;
#[cfg(test)]
mod model;
mod scripts;
mod settings;
mod stats;
mod sweeper;
mod terms;
mod upkeep;
mod waiting;
mod work_queue;
mod worker;

pub use consumer::Consumer;
pub use dead::{Dead, DeadList};
#[cfg(test)]
pub(crate) use item::read_item;
pub use job::Job;
#[cfg(test)]
pub(crate) use keys::keys_of;
#[cfg(feature = "keyword")]
pub(crate) use keys::random;
pub use settings::QueueSettings;
pub use stats::{QueueRates, QueueStats};
pub use waiting::Waiting;
pub use work_queue::WorkQueue;
pub use worker::{Stop, Worker};
