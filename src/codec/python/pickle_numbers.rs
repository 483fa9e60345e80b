//! Parses the binary ints of pickles.

use super::{MAX_DIGITS, Value};

/// Parses an int of any size in two's complement, the lowest byte first.
pub(super) fn int_from_bytes(bytes: &[u8]) -> Option<Value> {
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    if bytes.len() <= 16 {
        let mut wide = [fill; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        return Some(Value::Int(i128::from_le_bytes(wide)));
    }
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let mut magnitude: Vec<u8> = bytes.iter().map(|byte| byte ^ fill).collect();
    if negative {
        add_one(&mut magnitude);
    }
    let digits = decimal(&magnitude);
    let text = if negative { format!("-{digits}") } else { digits };
    super::int_from_digits(&text)
}

fn add_one(magnitude: &mut Vec<u8>) {
    for byte in magnitude.iter_mut() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
    magnitude.push(1);
}

/// Converts to decimal, nine digits at a time, from the lowest.
fn decimal(magnitude: &[u8]) -> String {
    let mut parts: Vec<u32> = vec![0];
    for byte in magnitude.iter().rev() {
        let mut carry = u64::from(*byte);
        for part in &mut parts {
            let product = u64::from(*part) * 256 + carry;
            *part = (product % PART) as u32;
            carry = product / PART;
        }
        if carry > 0 {
            parts.push(carry as u32);
        }
    }
    let mut digits = String::new();
    for (index, part) in parts.iter().rev().enumerate() {
        match index {
            0 => digits.push_str(&part.to_string()),
            _ => digits.push_str(&format!("{part:09}")),
        }
    }
    digits
}

const PART: u64 = 1_000_000_000;

/// Enough for the most digits, and one for the sign.
const MAX_BYTES: usize = MAX_DIGITS * 5 / 12 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_of_any_size_are_read() {
        let mut power = vec![0; 17];
        power[16] = 1;
        let mut negative = vec![0; 16];
        negative.push(0xff);
        for (bytes, expected) in [
            (vec![], Value::Int(0)),
            (vec![0xff], Value::Int(-1)),
            (vec![0xff, 0], Value::Int(255)),
            (vec![0, 0x80], Value::Int(-32768)),
            (power, Value::LongInt("340282366920938463463374607431768211456".into())),
            (negative, Value::LongInt("-340282366920938463463374607431768211456".into())),
        ] {
            assert_eq!(int_from_bytes(&bytes), Some(expected), "{bytes:?}");
        }
        assert_eq!(int_from_bytes(&[1; 2000]), None);
    }
}
