//! The prefixes of the keys of caches, and the ids after them.

use super::engine::NameResult;
use crate::codec::Codec;
use crate::collections::Name;
use crate::error::{Error, Result};
use crate::keys::{refusal, side_key_of};

/// Returns the start of the keys of the cache `name` of this kind.
pub(super) fn own_prefix(name: &Name, kind: &str) -> Result<Vec<u8>> {
    Ok(side_key_of(&literal_prefix(name)?, kind, b""))
}

/// Checks a prefix, or the name of a cache.
pub(super) fn literal_prefix(prefix: &Name) -> Result<Vec<u8>> {
    let prefix = prefix.as_bytes();
    let problem = match refusal(prefix) {
        None if !prefix.is_empty() => return Ok(prefix.to_vec()),
        None => "the name or prefix of a cache is empty",
        Some(problem) => problem,
    };
    Err(Error::Configuration(problem.into()))
}

/// Encodes an id, from which a key or field is made.
pub(super) fn encoded<K: Codec>(id: &K::Borrowed) -> NameResult<Vec<u8>> {
    let mut bytes = Vec::new();
    K::encode(id, &mut bytes)?;
    Ok(bytes)
}
