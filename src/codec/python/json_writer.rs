//! Writes JSON with the same bytes as Python's `json.dumps`.

use super::Value;
use crate::codec::CodecError;
use crate::codec::float::write_float;

/// Appends `value` to `bytes`.
pub(crate) fn write(value: &Value, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match value {
        Value::Str(text) | Value::Key(text) => write_text(text, bytes),
        Value::List(items) | Value::Tuple(items) => {
            bytes.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(index, bytes);
                write(item, bytes)?;
            }
            bytes.push(b']');
        }
        Value::Dict(entries) => {
            bytes.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(index, bytes);
                write_key(key, bytes)?;
                bytes.extend_from_slice(b": ");
                write(value, bytes)?;
            }
            bytes.push(b'}');
        }
        Value::Bytes(_) => return Err(CodecError::new("JSON has no form for bytes")),
        scalar => bytes.extend_from_slice(&scalar_text(scalar)),
    }
    Ok(())
}

fn separate(index: usize, bytes: &mut Vec<u8>) {
    if index > 0 {
        bytes.extend_from_slice(b", ");
    }
}

fn write_key(key: &Value, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match key {
        Value::Str(text) | Value::Key(text) => write_text(text, bytes),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::LongInt(_) | Value::Float(_) => {
            bytes.push(b'"');
            bytes.extend_from_slice(&scalar_text(key));
            bytes.push(b'"');
        }
        _ => return Err(CodecError::new("JSON has no form for a key that is no scalar")),
    }
    Ok(())
}

fn scalar_text(scalar: &Value) -> Vec<u8> {
    match scalar {
        Value::Bool(true) => b"true".to_vec(),
        Value::Bool(false) => b"false".to_vec(),
        Value::Int(int) => int.to_string().into_bytes(),
        Value::LongInt(digits) => digits.clone().into_bytes(),
        Value::Float(float) if float.is_nan() => b"NaN".to_vec(),
        Value::Float(float) if *float == f64::INFINITY => b"Infinity".to_vec(),
        Value::Float(float) if *float == f64::NEG_INFINITY => b"-Infinity".to_vec(),
        Value::Float(float) => {
            let mut bytes = Vec::new();
            write_float(*float, &mut bytes);
            bytes
        }
        _ => b"null".to_vec(),
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(b'"');
    for character in text.chars() {
        match character {
            '"' => bytes.extend_from_slice(b"\\\""),
            '\\' => bytes.extend_from_slice(b"\\\\"),
            '\n' => bytes.extend_from_slice(b"\\n"),
            '\r' => bytes.extend_from_slice(b"\\r"),
            '\t' => bytes.extend_from_slice(b"\\t"),
            '\u{8}' => bytes.extend_from_slice(b"\\b"),
            '\u{c}' => bytes.extend_from_slice(b"\\f"),
            ' '..='~' => bytes.push(character as u8),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    bytes.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
    }
    bytes.push(b'"');
}
