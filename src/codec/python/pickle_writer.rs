//! Pickles of protocol 2, as far as they are data.

use super::Value;
use super::pickle_numbers::{bytes_from_digits, bytes_from_int};
use crate::codec::CodecError;

/// Appends `value` as a pickle.
pub(crate) fn write(value: &Value, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bytes.extend_from_slice(b"\x80\x02");
    write_value(value, bytes)?;
    bytes.push(b'.');
    Ok(())
}

fn write_value(value: &Value, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match value {
        Value::None => bytes.push(b'N'),
        Value::Bool(bool) => bytes.push(if *bool { 0x88 } else { 0x89 }),
        Value::Int(int) => write_int(*int, bytes)?,
        Value::LongInt(digits) => write_long_int(&bytes_from_digits(digits), bytes)?,
        Value::Float(float) => {
            bytes.push(b'G');
            bytes.extend_from_slice(&float.to_be_bytes());
        }
        Value::Str(text) => write_text(text, bytes)?,
        Value::Bytes(raw) => write_bytes(raw, bytes)?,
        Value::List(items) => {
            bytes.push(b']');
            if !items.is_empty() {
                bytes.push(b'(');
                items.iter().try_for_each(|item| write_value(item, bytes))?;
                bytes.push(b'e');
            }
        }
        Value::Tuple(items) => {
            if items.len() > 3 {
                bytes.push(b'(');
            }
            items.iter().try_for_each(|item| write_value(item, bytes))?;
            bytes.push(match items.len() {
                0 => b')',
                1 => 0x85,
                2 => 0x86,
                3 => 0x87,
                _ => b't',
            });
        }
        Value::Dict(entries) => {
            bytes.push(b'}');
            if !entries.is_empty() {
                bytes.push(b'(');
                for (key, value) in entries {
                    write_value(key, bytes)?;
                    write_value(value, bytes)?;
                }
                bytes.push(b'u');
            }
        }
    }
    Ok(())
}

fn write_int(int: i128, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    if let Ok(byte) = u8::try_from(int) {
        bytes.extend_from_slice(&[b'K', byte]);
    } else if let Ok(short) = u16::try_from(int) {
        bytes.push(b'M');
        bytes.extend_from_slice(&short.to_le_bytes());
    } else if let Ok(int) = i32::try_from(int) {
        bytes.push(b'J');
        bytes.extend_from_slice(&int.to_le_bytes());
    } else {
        write_long_int(&bytes_from_int(int), bytes)?;
    }
    Ok(())
}

/// An int in two's complement, the lowest byte first.
fn write_long_int(int: &[u8], bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match u8::try_from(int.len()) {
        Ok(length) => bytes.extend_from_slice(&[0x8a, length]),
        Err(_) => {
            bytes.push(0x8b);
            bytes.extend_from_slice(&length(int.len())?.to_le_bytes());
        }
    }
    bytes.extend_from_slice(int);
    Ok(())
}

fn write_text(text: &str, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bytes.push(b'X');
    bytes.extend_from_slice(&length(text.len())?.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Protocol 2 has no bytes: as Python does it, they are Latin-1 text that is encoded when it is read.
fn write_bytes(raw: &[u8], bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bytes.extend_from_slice(b"c_codecs\nencode\n");
    write_text(&raw.iter().copied().map(char::from).collect::<String>(), bytes)?;
    write_text("latin1", bytes)?;
    bytes.extend_from_slice(b"\x86R");
    Ok(())
}

fn length(length: usize) -> Result<u32, CodecError> {
    u32::try_from(length).map_err(|_| CodecError::new("too long for a pickle"))
}
