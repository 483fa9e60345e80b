//! Copies of parts of a pickle, all of which take from one room.

use super::Value;
use super::pickle_machine::{Id, Node, broken};
use crate::codec::{CodecError, MAX_DEPTH};

/// How many bytes may still be copied: a multiple of the length of the pickle.
pub(super) struct Room(usize);

impl Room {
    pub(super) fn for_pickle(pickle: &[u8]) -> Self {
        Room(pickle.len().saturating_mul(COPIES_OF_THE_INPUT).saturating_add(FREE_ROOM))
    }

    /// Takes `bytes`, before they are copied.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), CodecError> {
        let too_large = || CodecError::new("too large when its shared parts are copied");
        self.0 = self.0.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }

    /// A copy of `items`.
    pub(super) fn copy<T: Copy>(&mut self, items: &[T]) -> Result<Vec<T>, CodecError> {
        self.take(size_of_val(items))?;
        Ok(items.to_vec())
    }
}

/// The value at `id` without shared parts.
pub(super) fn unshared(nodes: &[Node], id: Id, room: &mut Room) -> Result<Value, CodecError> {
    Copier { nodes, room }.value(id, 0)
}

struct Copier<'a> {
    nodes: &'a [Node],
    room: &'a mut Room,
}

impl Copier<'_> {
    /// The value at `id`, which `depth` collections contain.
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, CodecError> {
        match &self.nodes[id] {
            Node::Scalar(value) => {
                self.room.take(match value {
                    Value::Str(text) | Value::LongInt(text) => text.len(),
                    Value::Bytes(bytes) => bytes.len(),
                    _ => 0,
                })?;
                Ok(value.clone())
            }
            Node::Global(_) => Err(broken("a value")),
            _ if depth >= MAX_DEPTH => {
                Err(CodecError::new("nested too deep, or containing itself"))
            }
            Node::List(items) | Node::Set(items) => self.values(items, depth + 1).map(Value::List),
            Node::Tuple(items) => self.values(items, depth + 1).map(Value::Tuple),
            Node::Dict(entries) => self.entries(entries, depth + 1).map(Value::Dict),
        }
    }

    fn values(&mut self, ids: &[Id], depth: usize) -> Result<Vec<Value>, CodecError> {
        self.room.take(ids.len().saturating_mul(size_of::<Value>()))?;
        let mut values = Vec::with_capacity(ids.len());
        for &id in ids {
            values.push(self.value(id, depth)?);
        }
        Ok(values)
    }

    fn entries(
        &mut self,
        ids: &[(Id, Id)],
        depth: usize,
    ) -> Result<Vec<(Value, Value)>, CodecError> {
        self.room.take(ids.len().saturating_mul(size_of::<(Value, Value)>()))?;
        let mut entries = Vec::with_capacity(ids.len());
        for &(key, value) in ids {
            entries.push((self.value(key, depth)?, self.value(value, depth)?));
        }
        Ok(entries)
    }
}

const COPIES_OF_THE_INPUT: usize = 64;
const FREE_ROOM: usize = 1 << 20;
