//! Pickles are written by serde-pickle and read by a machine of our own
//! ([`pickle_reader`](super::python::pickle_reader)): serde-pickle 1.2 overflows the stack on deeply
//! nested pickles, grows without bound where a memo doubles itself, and refuses honest pickles that
//! share a list within a list.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_pickle::SerOptions;

use super::bounded::{unwritable, written};
use super::python::{from_value, pickle_reader};
use super::{Codec, CodecError, MAX_DEPTH};

/// A serde type as a Python pickle.
///
/// It is written in protocol 2, which every Python from 2.3 on reads, and read in protocols 0 to 5.
/// Only data is read: None, bool, int, float, str, bytes, bytearray, list, tuple, set, frozenset,
/// dict and OrderedDict. Nothing is ever called: a pickle with any other global is refused by the
/// name of the global. Nesting is bounded at 128, in writing too, and memory in proportion to the
/// pickle, however often it refers to the same part or copies it.
///
/// An int of more than 128 bits comes as its decimal digits, for a `String`. Text of Python 2 that is
/// not ASCII comes as bytes. Ints of more than 64 bits cannot be written.
///
/// Pickles are not canonical: equal values may have different bytes.
pub struct Pickle<T>(PhantomData<fn() -> T>);

impl<T> Codec for Pickle<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        write(value, bytes)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        from_value(pickle_reader::read(bytes)?)
    }
}

impl<T> fmt::Debug for Pickle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pickle")
    }
}

/// Appends `value` as a pickle.
pub(super) fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    serde_pickle::to_writer(bytes, &written(value, MAX_DEPTH), SerOptions::new().proto_v2())
        .map_err(|error| unwritable(&error, MAX_DEPTH, "a pickle has no form for this value"))
}
