//! The names of pyredis-cache: `000STUDENT#0000000012`.

use crate::codec::CodecError;
use crate::error::{Error, Result};

/// Returns the start of the names for `operation`: at least ten characters, in upper case.
///
/// Python pads before it converts to upper case, and leaves a sign in front.
pub(crate) fn prefix(operation: &str) -> Result<Vec<u8>> {
    let length = operation.chars().count();
    if length < 3 {
        let reason = "an operation of pyredis-cache has at least three characters";
        return Err(Error::Configuration(reason.into()));
    }
    let zeros = "0".repeat(WIDTH.saturating_sub(length));
    let rest = operation.trim_start_matches(['+', '-']);
    let signs = operation.len() - rest.len();
    let (sign, rest) = operation.split_at(signs.min(1));
    Ok(format!("{sign}{zeros}{rest}#").to_uppercase().into_bytes())
}

/// Formats an id like `%010d`: a decimal number, without its fraction.
pub(crate) fn number(id: &[u8]) -> std::result::Result<Vec<u8>, CodecError> {
    let refused = || CodecError::new("pyredis-cache names only numbers");
    let id = std::str::from_utf8(id).map_err(|_| refused())?;
    let digits = id.strip_prefix('-').unwrap_or(id);
    let whole = if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        digits.to_owned()
    } else {
        let number: f64 = digits.parse().map_err(|_| refused())?;
        if !number.is_finite() || number.is_sign_negative() {
            return Err(refused());
        }
        format!("{:.0}", number.trunc())
    };
    let whole = Some(whole.trim_start_matches('0')).filter(|rest| !rest.is_empty()).unwrap_or("0");
    let is_negative = digits.len() < id.len() && whole != "0";
    Ok(if is_negative { format!("-{whole:0>9}") } else { format!("{whole:0>10}") }.into_bytes())
}

/// Formats an id like pyredis-cache. Returns whether that is possible.
#[cfg(test)]
pub(crate) fn read_id(id: &[u8]) -> bool {
    number(id).is_ok()
}

const WIDTH: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_filled_up_and_in_upper_case() {
        for (operation, expected) in [
            ("Student", "000STUDENT#"),
            ("abc", "0000000ABC#"),
            ("a long operation", "A LONG OPERATION#"),
            ("straße", "0000STRASSE#"),
            ("-abc", "-000000ABC#"),
            ("+abc", "+000000ABC#"),
            ("--abc", "-00000-ABC#"),
            ("ßﬁŉ", "0000000SSFIʼN#"),
            ("ıii", "0000000III#"),
        ] {
            assert_eq!(prefix(operation).unwrap(), expected.as_bytes(), "{operation}");
        }
        assert!(prefix("ab").is_err());
    }

    #[test]
    fn ids_are_numbers_of_ten_digits() {
        for (id, expected) in [
            ("12", Some("0000000012")),
            ("0", Some("0000000000")),
            ("-0", Some("0000000000")),
            ("-12", Some("-000000012")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("-12345678901", Some("-12345678901")),
            ("12.9", Some("0000000012")),
            ("-12.9", Some("-000000012")),
            ("1e3", Some("0000001000")),
            ("", None),
            ("-", None),
            ("twelve", None),
            ("inf", None),
            ("nan", None),
            ("--1", None),
        ] {
            let found = number(id.as_bytes()).ok();
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{id}");
        }
        assert!(number(b"\xff").is_err());
    }
}
