//! Reads JSON like Python's `json.loads`: with NaN and infinities, ints of any size, and the last
//! of equal keys.

use std::collections::HashMap;
use std::str;

use super::{Value, int_from_digits};
use crate::codec::{CodecError, MAX_DEPTH};

/// Reads the value that fills all of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, CodecError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|_| CodecError::new("JSON that is not UTF-8"))?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("more after the value")) }
}

/// The position of the reader in the text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, CodecError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.text().map(Value::Str),
            Some(b'[' | b'{') if depth >= MAX_DEPTH => Err(self.wrong("nested too deep")),
            Some(b'[') => self.list(depth + 1),
            Some(b'{') => self.dict(depth + 1),
            Some(b'-' | b'0'..=b'9') if !self.rest().starts_with("-I") => self.number(),
            _ => self.word(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, CodecError> {
        let mut items = Vec::new();
        self.at += 1;
        if self.skip_to(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.skip_to(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, CodecError> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut values = Vec::new();
        self.at += 1;
        if self.skip_to(b'}') {
            return Ok(Value::Dict(Vec::new()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key"));
            }
            let key = self.text()?;
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            match places.get(&key) {
                Some(&place) => values[place] = value,
                None => {
                    places.insert(key, values.len());
                    values.push(value);
                }
            }
            if self.skip_to(b'}') {
                break;
            }
            self.expect(b',')?;
        }
        let mut keys: Vec<(String, usize)> = places.into_iter().collect();
        keys.sort_unstable_by_key(|(_, place)| *place);
        let entries = keys.into_iter().map(|(key, _)| Value::Key(key)).zip(values);
        Ok(Value::Dict(entries.collect()))
    }

    fn number(&mut self) -> Result<Value, CodecError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut is_int = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            is_int = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
            is_int = false;
        }
        let number = &self.text[start..self.at];
        if is_int {
            int_from_digits(number).ok_or_else(|| self.wrong("an int of too many digits"))
        } else {
            number.parse().map(Value::Float).map_err(|_| self.wrong("no number"))
        }
    }

    fn digits(&mut self) -> Result<(), CodecError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        if digits == 0 { Err(self.wrong("no digit")) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<Value, CodecError> {
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("no value"))
    }

    fn text(&mut self) -> Result<String, CodecError> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let plain = self.rest().bytes().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20));
            let end = self.at + plain.count();
            text.push_str(&self.text[self.at..end]);
            self.at = end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escaped()?),
                Some(_) => return Err(self.wrong("a control character in text")),
                None => return Err(self.wrong("text without an end")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, CodecError> {
        let escape = self.rest().as_bytes().get(1).copied();
        self.at += 2;
        Ok(match escape {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain.into(),
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                let mut units = vec![self.utf16_unit()?];
                if (0xd800..0xdc00).contains(&units[0]) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    units.push(self.utf16_unit()?);
                }
                let decoded: Result<Vec<char>, _> = char::decode_utf16(units).collect();
                match decoded.as_deref() {
                    Ok([character]) => *character,
                    _ => return Err(self.wrong("half of a surrogate pair, which is no character")),
                }
            }
            _ => return Err(self.wrong("an unknown escape")),
        })
    }

    fn utf16_unit(&mut self) -> Result<u16, CodecError> {
        let digits =
            self.rest().get(..4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|four| u16::from_str_radix(four, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.wrong("an unknown escape"))
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips space and, if it follows, `byte`. Returns whether it did follow.
    fn skip_to(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), CodecError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong("no separator"))
        }
    }

    fn wrong(&self, what: &str) -> CodecError {
        CodecError::new(format!("not JSON: {what} at byte {}", self.at.min(self.text.len())))
    }
}
