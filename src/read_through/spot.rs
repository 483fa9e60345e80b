//! Where values are kept, and under which names.

use std::marker::PhantomData;

use super::pyredis;
use crate::codec::{Codec, CodecError};
use crate::place::{key_slot, tag};

/// What has a name, unless an id cannot be written.
pub(super) type Named<T> = Result<T, CodecError>;

/// Where one value is kept: under a key, or in a field of the hash there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) key: Vec<u8>,
    pub(super) field: Option<Vec<u8>>,
    /// The ids it is of, as their codecs write them: of the hash if there is one, of the value.
    ids: [Vec<u8>; 2],
}

/// How ids become keys and fields.
#[derive(Debug, Clone)]
pub(super) enum Names {
    /// The id after a prefix.
    Own,
    /// A decimal number of ten digits after a prefix; the field has a prefix too.
    PyRedisCache { field: Vec<u8> },
}

impl Names {
    pub(super) fn string(&self, prefix: &[u8], id: Vec<u8>) -> Named<Spot> {
        let key = self.name(prefix, &id)?;
        Ok(Spot { key, field: None, ids: [Vec::new(), id] })
    }

    pub(super) fn field(&self, prefix: &[u8], hash: Vec<u8>, id: Vec<u8>) -> Named<Spot> {
        let key = self.name(prefix, &hash)?;
        let field = match self {
            Names::Own => id.clone(),
            Names::PyRedisCache { field } => self.name(field, &id)?,
        };
        Ok(Spot { key, field: Some(field), ids: [hash, id] })
    }

    pub(super) fn name(&self, prefix: &[u8], id: &[u8]) -> Result<Vec<u8>, CodecError> {
        match self {
            Names::Own => Ok([prefix, id].concat()),
            Names::PyRedisCache { .. } => Ok([prefix, &pyredis::number(id)?].concat()),
        }
    }
}

impl Spot {
    /// What is known of the value besides itself: a hash of its own, or of all fields of its hash.
    pub(super) fn aside(&self) -> Vec<u8> {
        aside(&self.key)
    }
}

/// A key beside `key`, on the same server of a cluster.
pub(super) fn aside(key: &[u8]) -> Vec<u8> {
    let mut aside = format!("{ASIDE}{{{}}}:", tag(key_slot(key))).into_bytes();
    aside.extend_from_slice(key);
    aside
}

/// What all keys beside others begin with.
pub(super) const ASIDE: &str = "redis-collections:load:";

/// How a loader is told what to load.
pub(super) trait Ids: 'static {
    type Owned: Send + 'static;

    fn decode(spot: &Spot) -> Named<Self::Owned>;
}

/// The id of a value.
pub(super) struct One<K>(PhantomData<K>);

/// The id of a hash, and that of a value in it.
pub(super) struct Pair<H, K>(PhantomData<(H, K)>);

impl<K: Codec> Ids for One<K> {
    type Owned = K::Owned;

    fn decode(spot: &Spot) -> Named<K::Owned> {
        K::decode(&spot.ids[1])
    }
}

impl<H: Codec, K: Codec> Ids for Pair<H, K> {
    type Owned = (H::Owned, K::Owned);

    fn decode(spot: &Spot) -> Named<Self::Owned> {
        Ok((H::decode(&spot.ids[0])?, K::decode(&spot.ids[1])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_aside_is_in_the_same_slot() {
        for key in ["users:12", "users:{a}b", "users:}{", "{users}:12", "users:{}", ""] {
            let aside = aside(key.as_bytes());
            assert_eq!(key_slot(&aside), key_slot(key.as_bytes()), "{key}");
        }
    }
}
