//! Workers, which run the jobs of a queue through a handler.

mod handler_guard;
mod job_result;
mod run;
mod waiting_jobs;

pub use self::job_result::JobResult;
pub use self::run::{StopHandle, Worker};
