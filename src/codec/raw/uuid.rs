use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::codec::{Canonical, Codec, CodecError, NonEmpty};

/// Writes the hyphenated form in lower case, as `str(uuid)` does in Python. Reads the other textual
/// forms too: upper case, without hyphens, in braces, and as a URN.
impl Codec for Uuid {
    type Borrowed = Self;
    type Owned = Self;

    fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut text = [0; Hyphenated::LENGTH];
        bytes.extend_from_slice(value.hyphenated().encode_lower(&mut text).as_bytes());
        Ok(())
    }

    // The parser's error would repeat a part of the text.
    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Uuid::try_parse_ascii(bytes).map_err(|_| CodecError::new("not a UUID"))
    }
}

impl Canonical for Uuid {}
impl NonEmpty for Uuid {}
