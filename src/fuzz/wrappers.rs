//! The codecs around others.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::codecs::{JSON, PROPORTIONAL, target};
use super::engine::{Memory, Target};
use super::types::{Any, Chain, Everything};
use crate::codec::{Codec, CodecError};
use crate::{Encrypted, EncryptionKeys, Json, KeyRing, Upgrade, Versioned, Zstd};

pub(super) fn targets() -> Vec<Target> {
    vec![
        target::<Option<i64>>(&[None, Some(-7)], &[b"s3cr&t"], PROPORTIONAL),
        target::<Option<Json<Chain>>>(&[Some(Chain::example())], JSON, PROPORTIONAL),
        target::<Arc<Json<Chain>>>(&[Arc::new(Chain::example())], JSON, PROPORTIONAL),
        target::<Cow<'static, str>>(&["s3cr&t é".into()], &[b"s3cr&t\xff"], PROPORTIONAL),
        target::<Versioned<Chain>>(&[Chain::example()], VERSIONED, PROPORTIONAL),
        target::<Zstd<Vec<u8>>>(&[], ZSTD, OF_BLOCKS),
        target::<Zstd<Vec<u8>, MAX>>(&[b"s3cr&t".repeat(100)], ZSTD, DECOMPRESSED),
        target::<Zstd<Json<Any>, MAX>>(&[Any::List(vec![])], ZSTD, DECOMPRESSED),
        target::<Zstd<Json<Everything>, MAX>>(&[Everything::example()], ZSTD, DECOMPRESSED),
        target::<Encrypted<String, Keys>>(&["s3cr&t".to_owned()], ENCRYPTED, PROPORTIONAL),
        target::<Encrypted<Json<u8>, Keys>>(&[7], ENCRYPTED, PROPORTIONAL),
    ]
}

/// Every older version is JSON too.
impl Upgrade for Chain {
    type Format = Json<Chain>;
    const VERSION: u32 = 12;

    fn upgrade(version: u32, bytes: &[u8]) -> Result<Chain, CodecError> {
        match version {
            0..12 => Json::<Chain>::decode(bytes),
            _ => Err(CodecError::new("never asked for")),
        }
    }
}

struct Keys;

impl EncryptionKeys for Keys {
    fn ring() -> Option<&'static KeyRing> {
        static RING: OnceLock<KeyRing> = OnceLock::new();
        Some(RING.get_or_init(|| KeyRing::writing(1, &[1; 32]).reading(2, &[2; 32])))
    }
}

/// How large decompressed values may be here.
const MAX: usize = 4096;

/// As much as the largest value justifies.
const DECOMPRESSED: Memory = Memory {
    flat: PROPORTIONAL.flat + (MAX as u64) * PROPORTIONAL.per_byte,
    per_byte: PROPORTIONAL.per_byte,
};

/// As much as blocks of four bytes may stand for, for the value and for it once more as it is
/// written and read again.
const OF_BLOCKS: Memory = Memory { flat: 16 << 10, per_byte: 3 * (128 << 10) / 4 };

const VERSIONED: &[&[u8]] = &[
    br#"12:"End""#,
    br#"1:{"Newtype": {"Newtype": "End"}}"#,
    br#"{"Newtype": "End"}"#,
    b"13:s3cr&t",
    b"4294967296:s3cr&t",
    b"s3cr&t",
];

/// Frames of a stored block, without a size, of a repeated byte, and with wrong sizes.
const ZSTD: &[&[u8]] = &[
    b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00[7,7]",
    b"\x28\xb5\x2f\xfd\x00\x38\x29\x00\x00[7,7]",
    b"\x28\xb5\x2f\xfd\x00\x38\x03\x00\x100",
    b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x29\x00\x00[7,7]",
    b"\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x04\x00\x00\x00\x00\x29\x00\x00[7,7]",
    b"\x50\x2a\x4d\x18\x04\x00\x00\x00\xff\xff\xff\xff",
    b"s3cr&t",
];

const ENCRYPTED: &[&[u8]] = &[
    b"\x01\x00\x00\x00\x01 a nonce of 24 bytes ... a tag of 16 byte",
    b"\x01\x00\x00\x00\x07 a nonce of 24 bytes ... a tag of 16 byte",
    b"\x01\x00\x00\x00\x01s3cr&t",
    b"s3cr&t",
];
