//! Locations of values: their keys and fields.

use std::marker::PhantomData;

use crate::codec::{Codec, CodecError};
use crate::keys::{HOLDS_THE_MARK, is_side_key, name_of, side_key_in_slot};
use crate::read_through::pyredis;

/// The result of naming a value, which fails if an id cannot be encoded.
pub(crate) type NameResult<T> = Result<T, CodecError>;

/// The location of one value: a key, or a field of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct EntryLocation {
    pub(crate) key: Vec<u8>,
    pub(crate) field: Option<Vec<u8>>,
    /// Its ids, as their codecs encode them: of the hash if there is one, and of the value.
    ids: [Vec<u8>; 2],
}

/// How ids become keys and fields.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// The id after a prefix.
    Own,
    /// A decimal number of ten digits after a prefix. The field has a prefix too.
    PyRedisCache { field: Vec<u8> },
}

impl Names {
    /// Locates a value that is a string of its own.
    pub(crate) fn string(&self, prefix: &[u8], id: Vec<u8>) -> NameResult<EntryLocation> {
        let key = self.name(prefix, &id)?;
        Ok(EntryLocation { key, field: None, ids: [Vec::new(), id] })
    }

    /// Locates a value that is a field of a hash.
    pub(crate) fn field(
        &self,
        prefix: &[u8],
        hash: Vec<u8>,
        id: Vec<u8>,
    ) -> NameResult<EntryLocation> {
        let key = self.name(prefix, &hash)?;
        let field = match self {
            Names::Own => id.clone(),
            Names::PyRedisCache { field } => self.name(field, &id)?,
        };
        Ok(EntryLocation { key, field: Some(field), ids: [hash, id] })
    }

    /// Names a key or field by an id, if the name cannot be that of a side key.
    pub(crate) fn name(&self, prefix: &[u8], id: &[u8]) -> Result<Vec<u8>, CodecError> {
        match self {
            Names::Own => {
                let key = [prefix, id].concat();
                if is_side_key(&key, prefix.len()) {
                    Err(CodecError::new(HOLDS_THE_MARK))
                } else {
                    Ok(key)
                }
            }
            Names::PyRedisCache { .. } => Ok([prefix, &pyredis::number(id)?].concat()),
        }
    }
}

impl EntryLocation {
    /// Returns the total length of its names.
    pub(crate) fn bytes(&self) -> usize {
        let names = [&self.key, &self.ids[0], &self.ids[1]].into_iter().chain(&self.field);
        names.map(Vec::len).sum()
    }

    /// Returns the key of the value's load: a hash of its own, or one for all fields of its hash.
    pub(crate) fn lease_key(&self) -> Vec<u8> {
        lease_key(&self.key)
    }
}

/// Returns the key of the loads of the values under `key`.
pub(crate) fn lease_key(key: &[u8]) -> Vec<u8> {
    side_key_in_slot(key, LOAD)
}

/// Returns whether `key` is the load key of a key of the cache with this prefix.
pub(crate) fn is_lease_key(key: &[u8], prefix: &[u8]) -> bool {
    let Some(id) = key.strip_prefix(prefix) else { return false };
    let value = &key[..prefix.len() + name_of(id).len()];
    !is_side_key(value, prefix.len()) && lease_key(value) == key
}

const LOAD: &str = "load";

/// Decodes the ids that a loader receives.
pub(crate) trait EntryIds: 'static {
    type Owned: Send + 'static;

    fn decode(location: &EntryLocation) -> NameResult<Self::Owned>;
}

/// The id of a value.
pub(crate) struct OneId<K>(PhantomData<K>);

/// The ids of a hash and of a value in it.
pub(crate) struct HashAndId<H, K>(PhantomData<(H, K)>);

impl<K: Codec> EntryIds for OneId<K> {
    type Owned = K::Owned;

    fn decode(location: &EntryLocation) -> NameResult<K::Owned> {
        K::decode(&location.ids[1])
    }
}

impl<H: Codec, K: Codec> EntryIds for HashAndId<H, K> {
    type Owned = (H::Owned, K::Owned);

    fn decode(location: &EntryLocation) -> NameResult<Self::Owned> {
        Ok((H::decode(&location.ids[0])?, K::decode(&location.ids[1])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beside_another_is_known_as_such() {
        for (prefix, id) in
            [("users:", "12"), ("users:", "{a}b"), ("users~rc:cache:", "12"), ("u~r", ""), ("", "")]
        {
            let (key, prefix) = ([prefix, id].concat().into_bytes(), prefix.as_bytes());
            let lease_key = lease_key(&key);
            assert!(
                is_lease_key(&lease_key, prefix) && !is_lease_key(&key, prefix),
                "{prefix:?} {id}"
            );
            assert!(!is_lease_key(&[&lease_key[..], b"0"].concat(), prefix), "{prefix:?} {id}");
        }
        assert!(!is_lease_key(&lease_key(b"users~rc:cache:12"), b"users"));
    }

    #[test]
    fn an_id_is_not_the_key_beside_another() {
        for id in ["~rc:", "12~rc:load", "12~rc:load:123456"] {
            for prefix in ["users:", "users~rc:cache:"] {
                assert!(Names::Own.string(prefix.as_bytes(), id.into()).is_err(), "{prefix}{id}");
            }
        }
        assert!(Names::Own.string(b"users~r", b"c:load".to_vec()).is_err());
        assert!(Names::Own.string(b"users~rc:cache:", b"a:~b".to_vec()).is_ok());
    }
}
