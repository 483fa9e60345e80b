//! Copies the parts of a pickle that are shared.

use super::Value;
use super::pickle_machine::{Id, Node, broken};
use super::pickle_room::Room;
use crate::codec::{CodecError, MAX_DEPTH};

/// Returns the value at `id` without shared parts.
pub(super) fn unshared(nodes: &[Node], id: Id, room: &mut Room) -> Result<Value, CodecError> {
    Copier { nodes, room }.value(id, 0)
}

/// Copies nodes as long as there is room.
struct Copier<'a> {
    nodes: &'a [Node],
    room: &'a mut Room,
}

impl Copier<'_> {
    /// Returns the value at `id`, which `depth` collections contain.
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
