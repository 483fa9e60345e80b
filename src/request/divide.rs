//! Requests whose keys lie on several servers.

use std::collections::BTreeMap;

use super::Request;
use crate::error::{Error, Result};
use crate::keys::{Place, key_slot};

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

    /// Groups the keys by slot, as their positions among the keys.
    pub(crate) fn keys_by_slot(&self) -> BTreeMap<u16, Vec<usize>> {
        let mut parts = BTreeMap::<u16, Vec<usize>>::new();
        for (position, key) in self.keys().enumerate() {
            parts.entry(key_slot(key)).or_default().push(position);
        }
        parts
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
    use super::*;

    #[test]
    fn keys_of_several_slots_are_refused_or_divided() {
        let keys = ["{a}1", "b", "{a}2"];
        let request = keys.iter().fold(Request::read("SUNION"), |r, key| r.key(key.as_bytes()));
        let error = request.slot().unwrap_err().to_string();
        assert!(error.contains(r#"SUNION "{a}1": its keys lie in several slots"#), "{error}");
        let (a, b) = (key_slot(b"a"), key_slot(b"b"));
        assert_eq!(request.keys_by_slot(), BTreeMap::from([(a, vec![0, 2]), (b, vec![1])]));
        assert_eq!(Request::read("GET").key(b"{a}").slot().unwrap(), Some(a));
        assert_eq!(Request::read("PING").slot().unwrap(), None);
    }
}
