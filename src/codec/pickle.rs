use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::python::{from_value, pickle_reader, pickle_writer, to_value};
use super::{Codec, CodecError, NonEmpty};

/// A serde type as a Python pickle.
///
/// It is written in protocol 2, which every Python from 2.3 on reads, and read in protocols 0 to 5.
/// Only data is read: None, bool, int, float, str, bytes, bytearray, list, tuple, set, frozenset,
/// dict and OrderedDict. Nothing is ever called: a pickle with any other global is rejected with
/// the name of the global. Nesting is bounded at 128, in writing too. Memory is bounded in
/// proportion to the pickle, however often it refers to the same part or copies it.
///
/// Ints have any size. One of more than 64 bits is read exactly as an `i128` or `u128`, and rounded
/// as an `f64` or as a type that takes anything (`serde_json::Value`). One of more than 128 bits is
/// read as its decimal digits for a `String`. Python 2 text that is not ASCII is read as bytes.
///
/// In serde a `Vec<u8>` is a list of numbers, and is written as one. For Python's `bytes` use the
/// crate `serde_bytes`; reading them as a `Vec<u8>` is an error. `Some(None)` and `Some(())` are
/// written as None.
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
        pickle_writer::write(&to_value(value)?, bytes)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        from_value(pickle_reader::read(bytes)?)
    }
}

impl<T> NonEmpty for Pickle<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for Pickle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pickle")
    }
}
