use crate::codec::{Canonical, Codec, CodecError, NonEmpty};

/// Writes `None` as an empty value, which `C` never writes.
impl<C: NonEmpty> Codec for Option<C> {
    type Borrowed = Self::Owned;
    type Owned = Option<C::Owned>;

    fn encode(value: &Self::Owned, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let Some(value) = value else { return Ok(()) };
        let start = bytes.len();
        C::encode(std::borrow::Borrow::borrow(value), bytes)?;
        // A codec of the user may break its promise.
        if bytes.len() == start {
            return Err(CodecError::new("an empty value, which would be read as `None`"));
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self::Owned, CodecError> {
        if bytes.is_empty() { Ok(None) } else { C::decode(bytes).map(Some) }
    }
}

impl<C: Canonical + NonEmpty> Canonical for Option<C> {}
