//! Requests whose keys lie on several servers, and those that would occupy a server for long.

use std::collections::BTreeMap;

use super::Request;
use crate::error::{Error, Result};
use crate::keys::{Place, key_slot};
use crate::limits::{BYTES_PER_COMMAND, ENTRIES_PER_COMMAND};

/// A part of a request: a command with some of its items.
#[derive(Debug, PartialEq)]
pub(crate) struct Piece {
    /// The slot of its keys, in a cluster.
    pub(crate) slot: Option<u16>,
    /// The indices of its items.
    pub(crate) items: Vec<usize>,
}

impl Request {
    /// Returns the one slot of the keys, if there are keys.
    pub(crate) fn slot(&self) -> Result<Option<u16>> {
        if let Place::Slot(slot) = self.place() {
            return Ok(Some(slot));
        }
        let mut slots = self.keys().map(key_slot);
        let first = slots.next();
        if slots.all(|slot| Some(slot) == first) { Ok(first) } else { Err(several_slots(self)) }
    }

    /// Returns whether it may be divided, and is larger than one command of a bulk operation.
    pub(crate) fn is_oversized(&self) -> bool {
        let is_large = self.item_count() > ENTRIES_PER_COMMAND || self.size() > BYTES_PER_COMMAND;
        is_large && self.gather().is_some() && self.item_count() > 1
    }

    /// Divides its items, whose keys are in one slot or without slots, into pieces of bounded size.
    pub(crate) fn pieces(&self, slot: Option<u16>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.divide((0..self.item_count()).collect(), slot, &mut pieces);
        pieces
    }

    /// Groups its items, which are keys, by slot, and divides each group.
    pub(crate) fn pieces_by_slot(&self) -> Vec<Piece> {
        let mut groups = BTreeMap::<u16, Vec<usize>>::new();
        for (index, key) in self.keys().enumerate() {
            groups.entry(key_slot(key)).or_default().push(index);
        }
        let mut pieces = Vec::with_capacity(groups.len());
        for (slot, items) in groups {
            self.divide(items, Some(slot), &mut pieces);
        }
        pieces
    }

    fn divide(&self, items: Vec<usize>, slot: Option<u16>, pieces: &mut Vec<Piece>) {
        if items.len() <= ENTRIES_PER_COMMAND && self.size() <= BYTES_PER_COMMAND {
            return pieces.push(Piece { slot, items });
        }
        let (mut piece, mut bytes) = (Vec::new(), 0);
        for index in items {
            let size = self.item(index).map(<[u8]>::len).sum::<usize>();
            if piece.len() == ENTRIES_PER_COMMAND
                || !piece.is_empty() && bytes + size > BYTES_PER_COMMAND
            {
                pieces.push(Piece { slot, items: std::mem::take(&mut piece) });
                bytes = 0;
            }
            piece.push(index);
            bytes += size;
        }
        pieces.push(Piece { slot, items: piece });
    }
}

/// The error for keys that lie in several slots.
pub(crate) fn several_slots(request: &Request) -> Error {
    Error::InvalidArgument { attempt: Box::new(request.attempt()), reason: SEVERAL_SLOTS.into() }
}

const SEVERAL_SLOTS: &str = "its keys lie in several slots of the cluster, and a command has to have \
    all in one; a common hash tag keeps keys together: {orders}:new and {orders}:done";

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;
    use crate::keys::Gather;

    #[test]
    fn keys_of_several_slots_are_refused_or_divided() {
        let keys = ["{a}1", "b", "{a}2"];
        let request = keys.iter().fold(Request::read("SUNION"), |r, key| r.key(key.as_bytes()));
        let error = request.slot().unwrap_err().to_string();
        assert!(error.contains(r#"SUNION "{a}1": its keys lie in several slots"#), "{error}");
        let (a, b) = (key_slot(b"a"), key_slot(b"b"));
        let mut pieces = request.pieces_by_slot();
        pieces.sort_by_key(|piece| piece.items.clone());
        let piece = |slot, items| Piece { slot: Some(slot), items };
        assert_eq!(pieces, [piece(a, vec![0, 2]), piece(b, vec![1])]);
        assert_eq!(Request::read("GET").key(b"{a}").slot().unwrap(), Some(a));
        assert_eq!(Request::read("PING").slot().unwrap(), None);
    }

    #[test]
    fn no_piece_has_too_many_items_or_bytes() {
        let values = |sizes: &[usize]| {
            let push = |request: &mut Request, size: &usize| request.push(vec![b'x'; *size]);
            let request = Request::write("RPUSH").key(b"l").divisible(Gather::Last);
            request.each(sizes, push, Value::Int(0))
        };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            values(sizes).pieces(None).iter().map(|piece| piece.items.len()).collect()
        };
        assert_eq!(lengths(&[1; ENTRIES_PER_COMMAND + 1]), [ENTRIES_PER_COMMAND, 1]);
        assert_eq!(lengths(&[BYTES_PER_COMMAND / 2; 3]), [2, 1]);
        assert_eq!(lengths(&[1, 2 * BYTES_PER_COMMAND, 1]), [1, 1, 1]);
        for (sizes, expected) in [
            (vec![1; ENTRIES_PER_COMMAND], false),
            (vec![1; ENTRIES_PER_COMMAND + 1], true),
            (vec![2 << 20], false),
        ] {
            assert_eq!(values(&sizes).is_oversized(), expected, "{}", sizes.len());
        }
    }
}
