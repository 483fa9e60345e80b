//! Optimistic updates: read, compute, and write if the value has not changed meanwhile.

use std::borrow::Borrow;

use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::Error;
use crate::reply;
use crate::request::Request;

/// Replaces a value by the result of `change`, where `None` is no value, and returns the new one.
///
/// `read` asks for the stored bytes. `write` is a script that stores a value if those bytes are
/// still there and returns whether they were; both follow its arguments, each as
/// [`optional`](Request::optional).
pub(super) fn optimistically<'a, V: Codec, E: RoundTrips>(
    executor: &E,
    read: Request,
    write: Request,
    mut change: impl FnMut(Option<V::Owned>) -> Option<V::Owned> + Send + 'a,
) -> E::ReplyWithin<'a, Option<V::Owned>> {
    let sender = executor.clone();
    executor.converse_within(async move {
        for _ in 0..MAX_TRIES {
            let stored = sender.send(read.clone().returns(reply::raw)).await?;
            let decode =
                |bytes: &Vec<u8>| reply::decode_bytes::<V>(bytes.clone(), || read.attempt());
            let new = change(stored.as_ref().map(decode).transpose()?);
            let unchanged = stored.is_none() && new.is_none();
            let write = write.clone().optional(stored.as_deref());
            let write = write.optional_value::<V>(new.as_ref().map(Borrow::borrow));
            if unchanged || sender.send(write.returns(reply::flag)).await? {
                return Ok(new);
            }
        }
        Err(Error::Contended { attempt: Box::new(write.attempt()), tries: MAX_TRIES })
    })
}

/// Returns the reply to `get` or, if it found nothing, the reply to the command from `insert`,
/// which stores a value.
pub(super) fn get_or_insert_with<'a, T: Send + 'static, E: RoundTrips>(
    executor: &E,
    get: Command<Option<T>>,
    insert: impl FnOnce() -> Command<T> + Send + 'a,
) -> E::ReplyWithin<'a, T> {
    let sender = executor.clone();
    executor.converse_within(async move {
        match sender.send(get).await? {
            Some(value) => Ok(value),
            None => sender.send(insert()).await,
        }
    })
}

/// A decoded key and value.
pub(crate) type Entry<K, V> = (<K as Codec>::Owned, <V as Codec>::Owned);

/// How often an operation that races with other clients is tried.
pub(crate) const MAX_TRIES: usize = 1000;
