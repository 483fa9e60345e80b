//! Any of Python's data, for tests of values that Python programs write.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde_json::Value as Literal;

#[derive(Debug, Clone)]
pub enum Python {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Python>),
    Tuple(Vec<Python>),
    Set(Vec<Python>),
    Dict(Vec<(Python, Python)>),
}

impl PartialEq for Python {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Python {
    /// The value of a literal of the vectors; `None` if it is not data.
    pub fn from_literal(literal: &Literal) -> Option<Self> {
        let text = || literal["v"].as_str();
        let hex = || -> Option<Vec<u8>> {
            let hex = literal["hex"].as_str()?;
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).ok()).collect()
        };
        let all = || -> Option<Vec<Self>> {
            literal["v"].as_array()?.iter().map(Self::from_literal).collect()
        };
        let pair =
            |pair: &Literal| Some((Self::from_literal(&pair[0])?, Self::from_literal(&pair[1])?));
        Some(match literal["t"].as_str()? {
            "none" => Python::None,
            "bool" => Python::Bool(literal["v"].as_bool()?),
            "int" | "long" => Python::Int(text()?.parse().ok()?),
            "float" => Python::Float(text()?.parse().ok()?),
            "str" => Python::Str(text()?.to_owned()),
            "bytes" | "bytearray" => Python::Bytes(hex()?),
            "py2str" => match String::from_utf8(hex()?) {
                Ok(text) if text.is_ascii() => Python::Str(text),
                _ => Python::Bytes(hex()?),
            },
            "list" => Python::List(all()?),
            "tuple" => Python::Tuple(all()?),
            "set" | "frozenset" => Python::Set(all()?),
            "dict" => {
                Python::Dict(literal["v"].as_array()?.iter().map(pair).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// As serde gives it: it does not distinguish lists, tuples and sets, and a set has no order.
    pub fn as_read(&self) -> Self {
        let all = |items: &[Self]| items.iter().map(Self::as_read).collect::<Vec<_>>();
        match self {
            Python::List(items) | Python::Tuple(items) => Python::List(all(items)),
            Python::Set(items) => {
                let mut items = all(items);
                items.sort_by_key(|item| format!("{item:?}"));
                Python::List(items)
            }
            Python::Dict(entries) => {
                let entry = |(key, value): &(Self, Self)| (key.as_read(), value.as_read());
                Python::Dict(entries.iter().map(entry).collect())
            }
            other => other.clone(),
        }
    }

    /// As [`as_read`](Self::as_read), where keys are text and the last of equal ones counts, as
    /// JSON has it.
    pub fn with_text_keys(&self) -> Self {
        match self.as_read() {
            Python::List(items) => Python::List(items.iter().map(Self::with_text_keys).collect()),
            Python::Dict(entries) => {
                let mut kept: Vec<(Self, Self)> = Vec::new();
                for (key, value) in &entries {
                    let key = Python::Str(key.json_key());
                    let value = value.with_text_keys();
                    match kept.iter_mut().find(|(other, _)| *other == key) {
                        Some((_, old)) => *old = value,
                        None => kept.push((key, value)),
                    }
                }
                Python::Dict(kept)
            }
            other => other,
        }
    }

    fn json_key(&self) -> String {
        match self {
            Python::None => "null".into(),
            Python::Bool(bool) => bool.to_string(),
            Python::Int(int) => int.to_string(),
            Python::Float(float) => format!("{float:?}"),
            Python::Str(text) => text.clone(),
            other => panic!("no key of JSON: {other:?}"),
        }
    }

    /// As [`as_read`](Self::as_read), where bytes and text are the same, as they were in Python 2.
    pub fn with_bytes_as_text(&self) -> Self {
        let all = |items: Vec<Self>| items.iter().map(Self::with_bytes_as_text).collect();
        match self.as_read() {
            Python::Str(text) => Python::Bytes(text.into_bytes()),
            Python::List(items) => Python::List(all(items)),
            Python::Dict(entries) => {
                let entry = |(key, value): &(Self, Self)| {
                    (key.with_bytes_as_text(), value.with_bytes_as_text())
                };
                Python::Dict(entries.iter().map(entry).collect())
            }
            other => other,
        }
    }
}

impl Serialize for Python {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Python::None => serializer.serialize_none(),
            Python::Bool(bool) => serializer.serialize_bool(*bool),
            Python::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => serializer.serialize_i64(int),
                (_, Ok(int)) => serializer.serialize_u64(int),
                _ => serializer.serialize_i128(*int),
            },
            Python::Float(float) => serializer.serialize_f64(*float),
            Python::Str(text) => serializer.serialize_str(text),
            Python::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Python::List(items) | Python::Set(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| sequence.serialize_element(item))?;
                sequence.end()
            }
            Python::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Python::Dict(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Python {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyPython)
    }
}

struct AnyPython;

impl<'de> Visitor<'de> for AnyPython {
    type Value = Python;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any of Python's data")
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Python, E> {
        Ok(Python::Bool(bool))
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Python, E> {
        Ok(Python::Int(int.into()))
    }

    fn visit_i128<E: Error>(self, int: i128) -> Result<Python, E> {
        Ok(Python::Int(int))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Python, E> {
        Ok(Python::Int(int.into()))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Python, E> {
        Ok(Python::Float(float))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Python, E> {
        Ok(Python::Str(text.to_owned()))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Python, E> {
        Ok(Python::Bytes(bytes.to_vec()))
    }

    fn visit_none<E: Error>(self) -> Result<Python, E> {
        Ok(Python::None)
    }

    fn visit_unit<E: Error>(self) -> Result<Python, E> {
        Ok(Python::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Python, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Python::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Python, A::Error> {
        let mut entries: Vec<(Python, Python)> = Vec::new();
        while let Some((key, value)) = access.next_entry()? {
            entries.retain(|(other, _)| *other != key);
            entries.push((key, value));
        }
        Ok(Python::Dict(entries))
    }
}
