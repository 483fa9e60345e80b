//! Writes pickles of protocol 2, with serde-pickle.

use num_bigint::BigInt;
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde_pickle::{HashableValue, SerOptions, Value as Pickled};

use super::Value;
use crate::codec::CodecError;

/// Appends `value` as a pickle.
///
/// serde-pickle accepts ints of more than 64 bits only in its own values, whose dicts are sorted.
/// Other values keep their order.
pub(crate) fn write(value: &Value, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let options = SerOptions::new().proto_v2();
    let written = if is_wide(value) {
        serde_pickle::value_to_writer(bytes, &pickled(value)?, options)
    } else {
        serde_pickle::to_writer(bytes, &Narrow(value), options)
    };
    written.map_err(|_| unwritable())
}

fn is_wide(value: &Value) -> bool {
    match value {
        Value::Int(int) => i64::try_from(*int).is_err() && u64::try_from(*int).is_err(),
        Value::LongInt(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().any(is_wide),
        Value::Dict(entries) => entries.iter().any(|(key, value)| is_wide(key) || is_wide(value)),
        _ => false,
    }
}

/// Data without ints of more than 64 bits.
struct Narrow<'a>(&'a Value);

impl Serialize for Narrow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::None => serializer.serialize_unit(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Int(int) => serialize_int(*int, serializer),
            Value::LongInt(_) => Err(S::Error::custom("a wide int")),
            Value::Float(float) => serializer.serialize_f64(*float),
            Value::Str(text) | Value::Key(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(&Narrow(item)))?;
                list.end()
            }
            Value::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(&Narrow(item)))?;
                tuple.end()
            }
            Value::Dict(entries) => {
                let mut dict = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    dict.serialize_entry(&Narrow(key), &Narrow(value))?;
                }
                dict.end()
            }
        }
    }
}

/// Writes an int in as few bytes as Python does.
fn serialize_int<S: Serializer>(int: i128, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(int) = u8::try_from(int) {
        serializer.serialize_u8(int)
    } else if let Ok(int) = u16::try_from(int) {
        serializer.serialize_u16(int)
    } else if let Ok(int) = i64::try_from(int) {
        serializer.serialize_i64(int)
    } else {
        serializer.serialize_u64(u64::try_from(int).map_err(S::Error::custom)?)
    }
}

fn pickled(value: &Value) -> Result<Pickled, CodecError> {
    let all = |items: &[Value]| items.iter().map(pickled).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Value::None => Pickled::None,
        Value::Bool(bool) => Pickled::Bool(*bool),
        Value::Int(int) => Pickled::Int(BigInt::from(*int)),
        Value::LongInt(digits) => Pickled::Int(digits.parse().map_err(|_| unwritable())?),
        Value::Float(float) => Pickled::F64(*float),
        Value::Str(text) | Value::Key(text) => Pickled::String(text.clone()),
        Value::Bytes(bytes) => Pickled::Bytes(bytes.clone()),
        Value::List(items) => Pickled::List(all(items)?),
        Value::Tuple(items) => Pickled::Tuple(all(items)?),
        Value::Dict(entries) => {
            let hashed = |(key, value): &(Value, Value)| {
                let key: HashableValue = pickled(key)?.into_hashable().map_err(|_| unwritable())?;
                Ok((key, pickled(value)?))
            };
            Pickled::Dict(entries.iter().map(hashed).collect::<Result<_, CodecError>>()?)
        }
    })
}

fn unwritable() -> CodecError {
    CodecError::new("a pickle has no form for this value")
}
