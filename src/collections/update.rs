//! Optimistic updates: read, compute, and write if nothing changed meanwhile.

use std::borrow::Borrow;

use crate::codec::Codec;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::executor::RoundTrips;
use crate::reply;

/// Replaces a value by what `change` makes of it, where `None` is no value, and gives the new one.
///
/// `read` asks for the stored bytes; `write` stores a value if those bytes are still there, and
/// says whether they were.
pub(crate) async fn optimistically<V: Codec, E: RoundTrips>(
    executor: &E,
    read: impl Fn() -> Command<Option<Vec<u8>>>,
    write: impl Fn(Option<&[u8]>, Option<&V::Borrowed>) -> Command<bool>,
    mut change: impl FnMut(Option<V::Owned>) -> Option<V::Owned>,
) -> Result<Option<V::Owned>> {
    for _ in 0..MOST_TRIES {
        let stored = executor.send(read()).await?;
        let attempt = || read().request.attempt();
        let decode = |bytes: &Vec<u8>| reply::decode_bytes::<V>(bytes.clone(), attempt);
        let new = change(stored.as_ref().map(decode).transpose()?);
        let unchanged = stored.is_none() && new.is_none();
        let command = write(stored.as_deref(), new.as_ref().map(Borrow::borrow));
        if unchanged || executor.send(command).await? {
            return Ok(new);
        }
    }
    let attempt = Box::new(write(None, None).request.attempt());
    Err(Error::Contended { attempt, tries: MOST_TRIES })
}

const MOST_TRIES: usize = 1000;
