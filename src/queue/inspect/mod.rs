//! The queues of a database, and the consumers of a queue, as others see them.

mod consumers;
mod existing;

pub use self::consumers::{ClaimedJob, ConsumerState};
