//! Parses the text forms of pickle's protocol 0.

use std::str;

/// Parses the text of a `V` line: Latin-1 with `\u` and `\U` escapes.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                units.push(byte.into());
                rest = after;
                continue;
            }
        };
        let code = hexadecimal(after.get(1..=digits)?)?;
        units.extend_from_slice(char_units(code)?.as_slice());
        rest = after.get(digits + 1..)?;
    }
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

fn char_units(code: u32) -> Option<Vec<u16>> {
    match u16::try_from(code) {
        Ok(unit) => Some(vec![unit]),
        Err(_) => Some(char::from_u32(code)?.encode_utf16(&mut [0; 2]).to_vec()),
    }
}

/// Parses the bytes of an `S` line: a Python literal with its quotes.
pub(super) fn quoted_bytes(line: &[u8]) -> Option<Vec<u8>> {
    let (&quote, inner) = line.split_first()?;
    let (&last, inner) = inner.split_last()?;
    if quote != last || !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, after) = after.split_first()?;
        rest = after;
        match escape {
            b'\\' | b'\'' | b'"' => bytes.push(escape),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'a' => bytes.push(7),
            b'b' => bytes.push(8),
            b'v' => bytes.push(11),
            b'f' => bytes.push(12),
            b'x' => {
                bytes.push(u8::try_from(hexadecimal(after.get(..2)?)?).ok()?);
                rest = &after[2..];
            }
            b'0'..=b'7' => {
                let more = after.iter().take(2).take_while(|b| (b'0'..=b'7').contains(*b)).count();
                let octal = after[..more].iter();
                let code = octal.fold(u32::from(escape - b'0'), |code, digit| {
                    code * 8 + u32::from(digit - b'0')
                });
                bytes.push(u8::try_from(code).ok()?);
                rest = &after[more..];
            }
            other => bytes.extend_from_slice(&[b'\\', other]),
        }
    }
    Some(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let all = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| all)?;
    u32::from_str_radix(digits, 16).ok()
}
