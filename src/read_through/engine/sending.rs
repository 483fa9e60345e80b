//! Sends commands that may be sent again.

use super::entry_location::EntryIds;
use super::state::Engine;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::read_through::shared::send_each;

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Returns the reply to each command, in one round trip: `None` if Redis is unavailable.
    ///
    /// After a lost connection, commands are sent once more, as `again` builds them. Each contains
    /// a generation, by which the server detects that it has already run the command.
    pub(crate) async fn send_each<T: Send + 'static>(
        &self,
        commands: Vec<Command<T>>,
        again: impl Fn(usize) -> Command<T> + Sync,
    ) -> Vec<Result<Option<T>>> {
        let sent = commands.len();
        if sent == 0 {
            return Vec::new();
        }
        let mut sent_all = send_each(&self.executor, commands).await;
        let lost: Vec<_> = match &sent_all {
            Ok(replies) => (0..sent).filter(|&at| replies.get(at).is_some_and(is_lost)).collect(),
            Err(error) if is_lost_connection(error) => (0..sent).collect(),
            Err(_) => Vec::new(),
        };
        if !lost.is_empty() {
            let second =
                send_each(&self.executor, lost.iter().map(|&at| again(at)).collect()).await;
            match (&mut sent_all, second) {
                (Ok(replies), Ok(second)) => {
                    lost.into_iter().zip(second).for_each(|(at, reply)| replies[at] = reply);
                }
                (Ok(_), Err(_)) => {}
                (sent_all, second) => *sent_all = second,
            }
        }
        match sent_all {
            Ok(replies) => replies
                .into_iter()
                .map(|reply| {
                    reply.map(Some).or_else(|error| self.tolerate_outage(error).map(|()| None))
                })
                .collect(),
            Err(error) => match self.tolerate_outage(error) {
                Ok(()) => (0..sent).map(|_| Ok(None)).collect(),
                Err(error) => vec![Err(error)],
            },
        }
    }
}

fn is_lost<T>(reply: &Result<T>) -> bool {
    reply.as_ref().is_err_and(is_lost_connection)
}

/// Returns whether the connection was lost after the command was sent.
fn is_lost_connection(error: &Error) -> bool {
    matches!(error, Error::ConnectionLost { .. })
}
