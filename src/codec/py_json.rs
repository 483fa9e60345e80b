use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::python::{from_value, json_reader, json_writer, to_value};
use super::{Canonical, Codec, CodecError, NonEmpty};

/// A serde type as JSON with the same bytes as Python's `json.dumps`, for sets, hash fields and
/// anything else that Python programs compare by its bytes.
///
/// Reads everything that `json.loads` reads, including NaN and infinities, which a
/// `serde_json::Value` has as null, `1e400` as an infinity, and the last of equal keys. An int of
/// more than 64 bits is read exactly as an `i128` or `u128`, and rounded as an `f64` or as a type
/// that takes anything (`serde_json::Value`). One of more than 128 bits is read as its decimal
/// digits for a `String`. Half of a surrogate pair, which Python allows, is not Rust text and is
/// rejected. Keys that JSON turned into text are read as numbers, booleans and None again if the
/// type requires it: as an `Option<String>` the key `null` is always `None`. Nesting is bounded at
/// 128, in writing too.
///
/// A `Vec<u8>` is a list of numbers. Bytes, such as those of `serde_bytes`, are rejected, as
/// `json.dumps` does. `Some(None)` and `Some(())` are written as `null`.
pub struct PyJson<T>(PhantomData<fn() -> T>);

impl<T> Codec for PyJson<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        json_writer::write(&to_value(value)?, bytes)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        from_value(json_reader::read(bytes)?)
    }
}

impl<T> Canonical for PyJson<T> where T: Serialize + DeserializeOwned + Send + 'static {}
impl<T> NonEmpty for PyJson<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for PyJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyJson")
    }
}
