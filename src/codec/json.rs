use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::bounded::{TOO_DEEP, read, unwritable, written_finite};
use super::message::without_values;
use super::{Canonical, Codec, CodecError, NonEmpty};

/// A serde type as compact JSON, which most languages read.
///
/// Python's `json.loads` reads it; [`PyJson`](crate::PyJson) writes the same bytes as Python.
/// Nesting is bounded at 127, in writing too.
///
/// JSON has no form for NaN and the infinities: a value that contains one is not written. `PyJson`
/// writes them as Python does. `Some(None)` and `Some(())` are written as `null`, and read as
/// `None`. Bytes are lists of numbers, and in serde so is a `Vec<u8>`.
///
/// If any crate of the program enables serde_json's feature `arbitrary_precision`, types with
/// `tag`, `untagged` or `flatten` cannot read floats; [`PyJson`](crate::PyJson) reads them.
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T> Codec for Json<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(bytes, &written_finite(value, DEPTH))
            .map_err(|error| unwritable(&error, DEPTH, UNWRITABLE))
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let value = read(bytes.len(), &mut deserializer);
        value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
            let place = format!("at line {} column {}", error.line(), error.column());
            CodecError::new(match error.classify() {
                Category::Data if error.to_string().starts_with(TOO_DEEP) => {
                    format!("{TOO_DEEP} {place}")
                }
                Category::Data => without_values(&error.to_string()),
                Category::Eof => "the JSON ends early".to_owned(),
                Category::Syntax | Category::Io => format!("not JSON {place}"),
            })
        })
    }
}

impl<T> Canonical for Json<T> where T: Serialize + DeserializeOwned + Send + 'static {}
impl<T> NonEmpty for Json<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

/// How deep serde_json reads.
const DEPTH: usize = 127;

const UNWRITABLE: &str =
    "JSON has no form for this value, for example a map whose keys are not text";
