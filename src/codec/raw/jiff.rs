use std::io::Write;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::text;
use crate::codec::{Canonical, Codec, CodecError, NonEmpty};

macro_rules! textual_codecs {
    ($($(#[$doc:meta])* $type:ident if $has_form:path: $what:literal;)+) => {$(
        $(#[$doc])*
        impl Codec for $type {
            type Borrowed = Self;
            type Owned = Self;

            fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
                write!(bytes, "{value}").map_err(CodecError::from_source)
            }

            // The parser drops what the type has no room for, and its error would repeat the text.
            fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
                let text = Some(text(bytes)?).filter(|text| $has_form(text));
                let value = text.and_then(|text| text.parse().ok());
                value.ok_or_else(|| CodecError::new(concat!("not ", $what)))
            }
        }

        impl Canonical for $type {}
        impl NonEmpty for $type {}
    )+};
}

// A `Zoned` is left out: times in different zones are equal, so no form of it is canonical, and
// reading one back depends on the time zones that the program knows.
textual_codecs! {
    /// Writes RFC 3339 in UTC, with as many digits of a second as it needs:
    /// `2024-06-19T15:22:45.5Z`. Reads any offset.
    Timestamp if is_any: "a point in time of RFC 3339";
    /// Writes the `full-date` of RFC 3339: `2024-06-19`. Text with a time of day is refused.
    Date if is_date: "a date of RFC 3339";
    /// Writes a date and time of RFC 3339 without the offset: `2024-06-19T15:22:45`. Text with an
    /// offset is refused.
    DateTime if is_date_and_time: "a date and time of RFC 3339";
    /// Writes the `partial-time` of RFC 3339: `15:22:45`. Text with a date is refused.
    Time if is_time: "a time of day of RFC 3339";
}

fn is_any(_: &str) -> bool {
    true
}

fn is_date(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn is_date_and_time(text: &str) -> bool {
    text.split_once(['T', 't', ' ']).is_some_and(|(date, time)| is_date(date) && is_time(time))
}

fn is_time(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
}
