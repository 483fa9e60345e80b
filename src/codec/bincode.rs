//! The codec `Bincode`. Bincode bounds neither nesting, nor the number of elements without bytes,
//! nor the memory that it reserves for a declared length, so its decoder runs inside of
//! [`bounded`](super::bounded).

use std::fmt;
use std::marker::PhantomData;

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use bincode::error::{DecodeError, EncodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded::{
    Bounded, More, TOO_DEEP, TOO_MANY, UNLIKE, compared, outlined, unwatched, unwritable, watched,
    within,
};
use super::message::without_values;
use super::portable::{LEFT_OUT, NO_NUMBER, NO_RAW_VALUE, WithoutNames};
use super::{Canonical, Codec, CodecError, MAX_DEPTH};

/// A serde type as bincode 2 in its standard configuration, for existing data.
///
/// The bytes do not describe their types: a struct whose fields changed reads old data wrongly or
/// not at all. Bincode is complete and no longer maintained (RUSTSEC-2025-0141); for new data
/// `MessagePack` is the better choice. Nesting is bounded at 128, in writing too. Elements without
/// bytes, such as `()` and structs whose fields are all skipped, are bounded at 65,536 and 4 MiB in
/// memory.
///
/// Bincode stores neither names nor kinds. Serde types that rely on them cannot be read back and
/// are therefore rejected by `encode`: enums with `tag` or `untagged`, `flatten`,
/// `serde_json::Value`, and parts that are skipped, renamed or of another type in only one
/// direction. The latter are fields with `skip_serializing_if` where it skips, a variant after one
/// with `skip`, which serde counts only when it writes, and a `serialize_with` without its
/// `deserialize_with`. For this check each value is decoded before it is sent, twice if it has
/// enums. One case is not detected: two fields of a tuple struct that have the same type and are
/// skipped in one direction each.
pub struct Bincode<T>(PhantomData<fn() -> T>);

impl<T> Codec for Bincode<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = bytes.len();
        let value = &WithoutNames(value);
        let value = watched(value, MAX_DEPTH);
        let (written, outline) =
            outlined(|| bincode::serde::encode_into_std_write(value, bytes, standard()));
        written.map_err(|error| refusal(&error))?;
        // Only the type's own deserializer shows which names or kinds it needs, and bincode has
        // neither.
        let decode = || decode::<T>(&bytes[start..]).map(drop);
        compared(outline, decode, || CodecError::new(UNLIKE)).map_err(unreadable)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        unwatched(|| decode(bytes))
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let decode = || bincode::serde::decode_from_slice::<Bounded<T>, _>(bytes, CONFIGURATION);
    match within(bytes.len(), WITHOUT_BYTES, decode) {
        Ok((Bounded(value), read)) if read == bytes.len() => Ok(value),
        Ok(_) => Err(CodecError::new("more bytes after the value")),
        Err(error) => Err(reason(&error)),
    }
}

impl<T> Canonical for Bincode<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for Bincode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bincode")
    }
}

fn refusal(error: &EncodeError) -> CodecError {
    let reason = match error {
        EncodeError::OtherString(message) if message == LEFT_OUT => LEFT_OUT,
        EncodeError::OtherString(message) if message == NO_NUMBER => NO_NUMBER,
        EncodeError::OtherString(message) if message == NO_RAW_VALUE => NO_RAW_VALUE,
        _ => "bincode has no form for this value",
    };
    unwritable(error, MAX_DEPTH, reason)
}

fn unreadable(reason: CodecError) -> CodecError {
    CodecError::new(format!("bincode could not read it back: {reason}"))
}

fn reason(error: &DecodeError) -> CodecError {
    CodecError::new(match error {
        DecodeError::UnexpectedEnd { .. } => "the bytes end early".to_owned(),
        DecodeError::LimitExceeded => "larger than any value may be".to_owned(),
        DecodeError::Utf8 { .. } => "text that is not UTF-8".to_owned(),
        DecodeError::OtherString(message) if message == TOO_DEEP => {
            format!("nested more than {MAX_DEPTH} deep")
        }
        DecodeError::OtherString(message) if message == TOO_MANY => TOO_MANY.to_owned(),
        DecodeError::OtherString(message) if message == UNLIKE => UNLIKE.to_owned(),
        DecodeError::OtherString(message) => without_values(message),
        DecodeError::Serde(_) => {
            "the type asks for names or kinds, which bincode does not store".to_owned()
        }
        _ => "not a value of the type".to_owned(),
    })
}

const CONFIGURATION: Configuration<LittleEndian, Varint, Limit<MAX_DECODED_BYTES>> =
    standard().with_limit::<MAX_DECODED_BYTES>();

/// The largest string that Redis stores.
const MAX_DECODED_BYTES: usize = 512 * 1024 * 1024;

/// The elements without bytes, such as `()`, that a value may have besides one for each byte.
const WITHOUT_BYTES: More = More { elements: 65_536, memory: 4 << 20 };
