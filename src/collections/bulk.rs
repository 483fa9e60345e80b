//! Bulk work of any size, sent in commands of bounded size.

use std::iter::{Peekable, Take};

use crate::client::RoundTrips;
use crate::command::Command;
use crate::limits::PAGE;

/// Up to a thousand entries.
pub(super) type Chunk<'a, I> = Take<&'a mut Peekable<I>>;

/// Sends the commands that `command` builds from each thousand of `entries`, one after the other,
/// up to the first that fails. Its error says whether others were applied before it.
pub(super) fn send_in_chunks<I: IntoIterator, T: Send + 'static, E: RoundTrips>(
    executor: &E,
    entries: I,
    mut command: impl FnMut(Chunk<'_, I::IntoIter>) -> Command<T>,
) -> E::Reply<()> {
    let mut entries = entries.into_iter().peekable();
    let mut commands = Vec::new();
    while entries.peek().is_some() {
        commands.push(command(entries.by_ref().take(PAGE)));
    }
    let sender = executor.clone();
    executor.converse(async move {
        for (before, command) in commands.into_iter().enumerate() {
            let attempt = command.request.attempt();
            if let Err(error) = sender.send(command).await {
                return Err(error.after_steps(before > 0, || attempt));
            }
        }
        Ok(())
    })
}
