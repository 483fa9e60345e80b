use std::fmt;
use std::marker::PhantomData;

use rmp_serde::decode::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded::{TOO_DEEP, read, unwritable, written};
use super::message::without_values;
use super::portable::WithNames;
use super::{Canonical, Codec, CodecError, MAX_DEPTH, NonEmpty};

/// A serde type as MessagePack with named fields, as msgpack-python 1.0 and later write it.
///
/// It is compact, fast and readable by most languages: the recommended codec for new data. All
/// forms are read, including those of older Pythons. Nesting is bounded at 128, in writing too.
///
/// In serde a `Vec<u8>` is a list of numbers, and is written as one. For bytes (`bin`) use the
/// crate `serde_bytes`; reading bytes as a `Vec<u8>` is an error. `Some(None)` and `Some(())` are
/// written as `None`.
///
/// Ints of more than 64 bits, which MessagePack lacks, are written as 16 bytes: only an `i128` or
/// `u128` reads them.
pub struct MessagePack<T>(PhantomData<fn() -> T>);

impl<T> Codec for MessagePack<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut serializer =
            rmp_serde::Serializer::new(bytes).with_human_readable().with_struct_map();
        written(&WithNames(value), MAX_DEPTH).serialize(&mut serializer).map_err(|error| {
            unwritable(&error, MAX_DEPTH, "MessagePack has no form for this value")
        })
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let mut rest = bytes;
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest).with_human_readable();
        let value = read(bytes.len(), &mut deserializer).map_err(|error| reason(&error))?;
        if rest.is_empty() { Ok(value) } else { Err(CodecError::new("more bytes after the value")) }
    }
}

impl<T> Canonical for MessagePack<T> where T: Serialize + DeserializeOwned + Send + 'static {}
impl<T> NonEmpty for MessagePack<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for MessagePack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessagePack")
    }
}

fn reason(error: &Error) -> CodecError {
    let too_deep = format!("nested more than {MAX_DEPTH} deep");
    CodecError::new(match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "the bytes end early".to_owned(),
        Error::TypeMismatch(_) | Error::OutOfRange => "a value of another type".to_owned(),
        Error::Utf8Error(_) => "text that is not UTF-8".to_owned(),
        Error::Uncategorized(message) | Error::Syntax(message) if message == TOO_DEEP => too_deep,
        Error::Uncategorized(message) | Error::Syntax(message) => without_values(message),
        Error::DepthLimitExceeded => too_deep,
        Error::LengthMismatch(_) => "a sequence of another length".to_owned(),
    })
}
