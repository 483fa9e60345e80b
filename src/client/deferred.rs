use super::executor::Executor;
use super::executor::sealed::Sealed;
use crate::command::Command;

/// An executor that runs nothing: it returns the [`Command`] itself, for a pipeline, a transaction
/// or a later call.
#[derive(Clone, Copy, Debug)]
pub struct Deferred;

impl Sealed for Deferred {}

impl Executor for Deferred {
    type Reply<T> = Command<T>;

    fn run<T: Send + 'static>(&self, command: Command<T>) -> Command<T> {
        command
    }
}
