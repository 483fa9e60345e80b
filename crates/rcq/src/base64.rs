//! Encodes jobs and names for JSON.

use serde_json::{Value, json};

/// Returns a string, or `{"base64": …}` for bytes that are not UTF-8.
pub(crate) fn json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": base64(bytes) }),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            digits.push(if place <= three.len() { digit } else { '=' });
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_string_or_base64() {
        for (bytes, expected) in [
            (&b"a\n\x1b"[..], json!("a\n\u{1b}")),
            (b"\xff", json!({ "base64": "/w==" })),
            (b"\xfb\xff", json!({ "base64": "+/8=" })),
            (b"\xfb\xff\x00", json!({ "base64": "+/8A" })),
            (b"\xffabcd", json!({ "base64": "/2FiY2Q=" })),
        ] {
            assert_eq!(json(bytes), expected);
        }
    }
}
