use std::fmt;
use std::marker::PhantomData;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{MAGICNUMBER, get_frame_content_size};

use crate::codec::{Codec, CodecError, NonEmpty};

/// The bytes of the codec `C`, compressed by Zstandard: `Zstd<Json<User>>`.
///
/// A value is one frame of the default level with a checksum, which other programs decompress as
/// they do files of `zstd`. Frames without a checksum are read too, and a wrong one is an error. It
/// pays for values from some hundred bytes on.
///
/// A value has at most `MAX` bytes before compression, 64 MiB by default. A larger one is neither
/// written nor read: a few kilobytes of a hostile writer could stand for gigabytes. Lower the bound
/// where values are small, as in `Zstd<Json<User>, { 1 << 20 }>`.
///
/// The codec is not [`Canonical`](crate::Canonical), since versions of the library compress
/// differently. As the key of a dictionary it would no longer be found after an update of the
/// library.
pub struct Zstd<C, const MAX: usize = { 64 << 20 }>(PhantomData<fn() -> C>);

impl<C: Codec, const MAX: usize> Codec for Zstd<C, MAX> {
    type Borrowed = C::Borrowed;
    type Owned = C::Owned;

    fn encode(value: &C::Borrowed, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut encoded = Vec::new();
        let plain = match C::as_bytes(value) {
            Some(plain) => plain,
            None => {
                C::encode(value, &mut encoded)?;
                &encoded
            }
        };
        if plain.len() > MAX {
            return Err(too_large(MAX));
        }
        let failed = |error| CodecError::new("zstd could not compress it").with_source(error);
        let mut compressor = Compressor::new(DEFAULT_LEVEL).map_err(failed)?;
        compressor.include_checksum(true).map_err(failed)?;
        bytes.extend(compressor.compress(plain).map_err(failed)?);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<C::Owned, CodecError> {
        let plain = decompress(bytes, MAX)?;
        // The bytes of the error would be the decompressed ones, which are not stored.
        C::decode_owned(plain).map_err(|undecodable| undecodable.reason().clone())
    }
}

impl<C: Codec, const MAX: usize> NonEmpty for Zstd<C, MAX> {}

impl<C, const MAX: usize> fmt::Debug for Zstd<C, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zstd")
    }
}

/// Decompresses one frame, in memory that is bounded by `max` and by what so few bytes can stand
/// for, whatever size the frame declares.
fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, CodecError> {
    // A frame to be skipped would be an empty value.
    if !bytes.starts_with(&MAGICNUMBER.to_le_bytes()) {
        return Err(CodecError::new(NO_FRAME));
    }
    let declared = get_frame_content_size(bytes).map_err(|_| CodecError::new(NO_FRAME))?;
    let declared = declared.map_or(Ok(max), usize::try_from).unwrap_or(usize::MAX);
    if declared > max {
        return Err(too_large(max));
    }
    let possible = bytes.len().saturating_mul(MAX_RATIO);
    let mut plain = Vec::with_capacity(declared.min(possible));
    let failed = |error| CodecError::new(NO_FRAME).with_source(error);
    let mut decompressor = Decompressor::new().map_err(failed)?;
    decompressor.decompress_to_buffer(bytes, &mut plain).map_err(failed)?;
    Ok(plain)
}

fn too_large(max: usize) -> CodecError {
    CodecError::new(format!("more than {max} bytes before compression"))
}

const NO_FRAME: &str = "not a frame of zstd, or larger than it may be";

/// The library's own choice.
const DEFAULT_LEVEL: i32 = 0;

/// A block of a frame takes at least four bytes and stands for at most 128 KiB.
const MAX_RATIO: usize = 128 * 1024 / 4;
