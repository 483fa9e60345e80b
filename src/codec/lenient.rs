use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use super::{Codec, CodecError, short_name};

/// Reads each value with the codec `C`, or returns its bytes as `Err` of [`Undecodable`] if that
/// fails, so that one bad value does not fail a bulk read.
pub struct Lenient<C>(PhantomData<fn() -> C>);

impl<C: Codec> Codec for Lenient<C> {
    type Borrowed = Self::Owned;
    type Owned = Result<C::Owned, Undecodable>;

    fn encode(value: &Self::Owned, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        match value {
            Ok(value) => C::encode(std::borrow::Borrow::borrow(value), bytes),
            Err(undecodable) => {
                bytes.extend_from_slice(&undecodable.bytes);
                Ok(())
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self::Owned, CodecError> {
        Ok(C::decode_owned(bytes.to_vec()))
    }

    fn decode_owned(bytes: Vec<u8>) -> Result<Self::Owned, Undecodable> {
        Ok(C::decode_owned(bytes))
    }
}

impl<C> fmt::Debug for Lenient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lenient")
    }
}

/// Stored bytes that are not a value of their codec. Neither `Display` nor `Debug` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Undecodable {
    bytes: Vec<u8>,
    codec: String,
    reason: CodecError,
}

impl Undecodable {
    /// Creates the error for bytes that the codec `C` could not read.
    pub fn new<C: Codec>(bytes: Vec<u8>, reason: CodecError) -> Self {
        Self { bytes, codec: short_name::<C>(), reason }
    }

    /// Returns the stored bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns why the codec could not read them.
    pub fn reason(&self) -> &CodecError {
        &self.reason
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, codec, reason } = self;
        write!(f, "cannot decode {} bytes as {codec}: {reason}", bytes.len())
    }
}

impl Error for Undecodable {
    /// The error behind the [`reason`](Self::reason), which `Display` shows.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

impl fmt::Debug for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
