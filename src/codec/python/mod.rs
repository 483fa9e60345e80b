//! Python's data as a tree, between serde's types and the formats of Python programs.

pub(super) mod json_reader;
pub(super) mod json_writer;
#[cfg(feature = "pickle")]
mod pickle_copies;
#[cfg(feature = "pickle")]
mod pickle_machine;
#[cfg(feature = "pickle")]
mod pickle_numbers;
#[cfg(feature = "pickle")]
pub(super) mod pickle_reader;
#[cfg(feature = "pickle")]
mod pickle_room;
#[cfg(feature = "pickle")]
mod pickle_text;
#[cfg(feature = "pickle")]
pub(super) mod pickle_writer;

mod from_value;
mod to_value;

pub(super) use from_value::from_value;
pub(super) use to_value::to_value;

/// A value of Python's data types, where a set is a list. A dict keeps its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    /// An int that does not fit `Int`, in decimal.
    LongInt(String),
    Float(f64),
    Str(String),
    /// A JSON key, which may originally have been any other scalar.
    Key(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

/// The most digits of an int, which is Python's own limit too.
pub(super) const MAX_DIGITS: usize = 4300;

/// Parses an int from an optional sign and digits.
pub(super) fn int_from_digits(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    if let Ok(int) = text.parse() {
        return Some(Value::Int(int));
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(Value::LongInt(format!("{sign}{}", digits.trim_start_matches('0'))))
}
