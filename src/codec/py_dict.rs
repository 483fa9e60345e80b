use std::fmt;
use std::marker::PhantomData;
use std::str;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::float::write_float;
use super::python::{
    Value, from_value, int_from_digits, json_reader, json_writer, pickle_reader, pickle_writer,
    to_value,
};
use super::{Codec, CodecError, NonEmpty};

/// A serde type in the format of redis-pydict: a byte for the type, then the value.
///
/// `i`, `f` and `s` are followed by text, `l` and `d` by JSON, and `c` by a pickle, which holds all
/// other types: booleans, bytes, tuples. None is written as `n`, which every version of
/// redis-pydict reads, and read as `n` and as a pickle. redis-pydict treats an empty value as
/// missing, and it cannot be decoded here. Nesting is bounded at 128, in writing too.
///
/// In serde a `Vec<u8>` is a list of numbers. For Python's `bytes` use the crate `serde_bytes`;
/// reading them as a `Vec<u8>` is an error. `Some(None)` and `Some(())` are written as None. Keys
/// in lists and dicts are JSON keys: as an `Option<String>` the key `null` is always `None`.
///
/// `with_prefix(&client, "namespace&&")` produces the keys. The library's own lists break if there
/// are values of other types and, in part, if entries expire.
pub struct PyDict<T>(PhantomData<fn() -> T>);

impl<T> Codec for PyDict<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let tree = to_value(value)?;
        match &tree {
            Value::None => bytes.push(b'n'),
            Value::Int(int) => bytes.extend_from_slice(format!("i{int}").as_bytes()),
            Value::LongInt(digits) => bytes.extend_from_slice(format!("i{digits}").as_bytes()),
            Value::Float(float) => {
                bytes.push(b'f');
                write_float(*float, bytes);
            }
            Value::Str(text) | Value::Key(text) => {
                bytes.push(b's');
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::List(_) => {
                bytes.push(b'l');
                json_writer::write(&tree, bytes)?;
            }
            Value::Dict(_) => {
                bytes.push(b'd');
                json_writer::write(&tree, bytes)?;
            }
            Value::Bool(_) | Value::Bytes(_) | Value::Tuple(_) => {
                bytes.push(b'c');
                pickle_writer::write(&tree, bytes)?;
            }
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        from_value(read(bytes)?)
    }
}

impl<T> NonEmpty for PyDict<T> where T: Serialize + DeserializeOwned + Send + 'static {}

impl<T> fmt::Debug for PyDict<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyDict")
    }
}

fn read(bytes: &[u8]) -> Result<Value, CodecError> {
    let (kind, payload) =
        bytes.split_first().ok_or_else(|| CodecError::new("an empty value, which is missing"))?;
    let text = || str::from_utf8(payload).map_err(|_| CodecError::new("text that is not UTF-8"));
    match kind {
        b'i' => int_from_digits(&plain_number(text()?)?).ok_or_else(|| CodecError::new("no int")),
        b'f' => float(&plain_number(text()?)?),
        b's' => Ok(Value::Str(text()?.to_owned())),
        b'l' | b'd' => json_reader::read(payload),
        b'c' => pickle_reader::read(payload),
        b'n' => Ok(Value::None),
        other => Err(CodecError::new(format!("an unknown type, byte {other}"))),
    }
}

/// Converts a number as Python's `int` and `float` accept it, with spaces around it and single
/// underscores between its digits, to the form that Rust accepts.
fn plain_number(text: &str) -> Result<String, CodecError> {
    let text = text.trim();
    let characters: Vec<char> = text.chars().collect();
    let is_digit = |index: usize| characters.get(index).is_some_and(|c| digit(*c).is_some());
    let mut plain = String::with_capacity(text.len());
    for (index, &character) in characters.iter().enumerate() {
        match (character, digit(character)) {
            ('_', _) if index > 0 && is_digit(index - 1) && is_digit(index + 1) => {}
            ('_', _) => return Err(CodecError::new("no number")),
            (_, Some(digit)) => plain.push(digit),
            _ => plain.push(character),
        }
    }
    Ok(plain)
}

/// Returns the ASCII form of a decimal digit; Python accepts those of every script.
fn digit(character: char) -> Option<char> {
    const ZEROS: [u32; 12] =
        [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50, 0xed0, 0xf20, 0x1040, 0xff10];
    let value = ZEROS
        .iter()
        .find_map(|zero| u32::from(character).checked_sub(*zero).filter(|n| *n < 10))?;
    char::from_digit(value, 10)
}

fn float(text: &str) -> Result<Value, CodecError> {
    text.parse().map(Value::Float).map_err(|_| CodecError::new("no float"))
}
