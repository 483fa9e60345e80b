use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::python::{from_value, json_reader, json_writer, to_value};
use super::{Canonical, Codec, CodecError};

/// A serde type as JSON, byte for byte as Python's `json.dumps` writes it, for sets, hash fields
/// and whatever else Python programs compare by its bytes.
///
/// Reads what `json.loads` reads: also NaN and infinities, which a `serde_json::Value` has as null,
/// `1e400` as an infinity, and the last of equal keys. An int of more than 64 bits is read exactly
/// as an `i128` or `u128`, rounded as an `f64` and where anything is taken (`serde_json::Value`),
/// and one of more than 128 bits as its decimal digits for a `String`. Half of a surrogate pair,
/// which Python allows, is no Rust text and is refused. Keys that JSON turned into text are read as
/// numbers, booleans and None again where the type asks for them: as an `Option<String>` the key
/// `null` is always `None`. Nesting is bounded at 128, in writing too.
///
/// A `Vec<u8>` is a list of numbers, and bytes, such as those of `serde_bytes`, are refused, as
/// `json.dumps` refuses them. `Some(None)` and `Some(())` are written as `null`.
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

impl<T> fmt::Debug for PyJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyJson")
    }
}
