use std::io::Write;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::text;
use crate::codec::{Canonical, Codec, CodecError, NonEmpty};

macro_rules! textual_codecs {
    ($($(#[$doc:meta])* $type:ident: $what:literal;)+) => {$(
        $(#[$doc])*
        impl Codec for $type {
            type Borrowed = Self;
            type Owned = Self;

            fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
                write!(bytes, "{value}").map_err(CodecError::from_source)
            }

            // The parser's error would repeat the text.
            fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
                text(bytes)?.parse().map_err(|_| CodecError::new(concat!("not ", $what)))
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
    Timestamp: "a point in time of RFC 3339";
    /// Writes the `full-date` of RFC 3339: `2024-06-19`.
    Date: "a date of RFC 3339";
    /// Writes a date and time of RFC 3339 without the offset: `2024-06-19T15:22:45`.
    DateTime: "a date and time of RFC 3339";
    /// Writes the `partial-time` of RFC 3339: `15:22:45`.
    Time: "a time of day of RFC 3339";
}
