//! Codecs that need no serde: types that are their own codecs, and codecs around others.

mod encrypted;
mod raw;
mod versioned;
mod zstd;

use redis_collections::{Codec, CodecError};

/// Encodes `value` after other bytes, which must stay.
fn encoded<C: Codec>(value: &C::Borrowed) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    C::encode(value, &mut bytes).unwrap();
    assert_eq!(&bytes[..6], b"before", "what was there stays");
    bytes.split_off(6)
}

/// Encodes `value` as text.
fn text<C: Codec>(value: &C::Borrowed) -> String {
    String::from_utf8(encoded::<C>(value)).unwrap()
}

fn unwritable<C: Codec>(value: &C::Borrowed) -> CodecError {
    C::encode(value, &mut Vec::new()).unwrap_err()
}

fn undecodable<C: Codec>(bytes: &[u8]) -> CodecError {
    match C::decode(bytes) {
        Err(error) => error,
        Ok(_) => panic!("{} should be refused", bytes.escape_ascii()),
    }
}
