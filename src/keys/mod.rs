//! Keys and their names.

mod glob;
mod side_key;
mod slot;

pub(crate) use self::glob::{escape, matches};
pub(crate) use self::side_key::{
    HOLDS_THE_MARK, into_slot, is_side_key, name_and_kind, name_of, refusal, side_key,
    side_key_in_slot, side_key_of, side_key_of_slot,
};
pub(crate) use self::slot::{Gather, Place, SLOTS, key_slot, prefix_slot};
