//! Bulk work of any size, sent in commands of bounded size.

use std::iter::{Peekable, Take};

use crate::client::RoundTrips;
use crate::command::Command;
use crate::error::Result;
use crate::limits::PAGE;

/// Up to a thousand entries.
pub(crate) type Chunk<'a, I> = Take<&'a mut Peekable<I>>;

/// Returns the commands that `command` builds from each thousand of `entries`.
pub(crate) fn in_chunks<I: IntoIterator, T>(
    entries: I,
    mut command: impl FnMut(Chunk<'_, I::IntoIter>) -> Command<T>,
) -> Vec<Command<T>> {
    let mut entries = entries.into_iter().peekable();
    let mut commands = Vec::new();
    while entries.peek().is_some() {
        commands.push(command(entries.by_ref().take(PAGE)));
    }
    commands
}

/// Sends the commands one after the other, up to the first that fails. Its error says whether
/// others were applied before it.
pub(crate) async fn send_all<E: RoundTrips, T: Send + 'static>(
    executor: E,
    commands: Vec<Command<T>>,
) -> Result<()> {
    for (before, command) in commands.into_iter().enumerate() {
        let attempt = command.request.attempt();
        if let Err(error) = executor.send(command).await {
            return Err(error.after_steps(before > 0, || attempt));
        }
    }
    Ok(())
}
