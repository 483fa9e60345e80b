use redis_collections::{Codec, Json, Zstd};

use super::{encoded, undecodable, unwritable};

/// The magic number of a frame.
const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// A frame of one block of 128 KiB for each of `blocks`, all zeros, that declares no size.
fn zeros(blocks: usize) -> Vec<u8> {
    // The window descriptor of 128 KiB, then blocks that repeat one byte.
    let mut frame = [MAGIC, b"\x00\x38"].concat();
    for block in 1..=blocks {
        let header = (128 * 1024) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// A frame of one stored block that declares `size` bytes.
fn stored(size: u64, content: &[u8]) -> Vec<u8> {
    let header = (content.len() as u32) << 3 | 1;
    [MAGIC, b"\xe0", &size.to_le_bytes(), &header.to_le_bytes()[..3], content].concat()
}

#[test]
fn a_value_is_one_frame_of_zstd() {
    let text = "the same text again, ".repeat(50);
    let bytes = encoded::<Zstd<String>>(&text);
    assert!(bytes.starts_with(MAGIC) && bytes.len() < text.len() / 10, "{}", bytes.len());
    assert_eq!(zstd::bulk::decompress(&bytes, 2000).unwrap(), text.as_bytes());
    assert_eq!(Zstd::<String>::decode(&bytes), Ok(text));
    let list = vec![7_u32; 1000];
    assert_eq!(Zstd::<Json<_>>::decode(&encoded::<Zstd<Json<_>>>(&list)), Ok(list));
    assert_eq!(Zstd::<Vec<u8>>::decode(&encoded::<Zstd<Vec<u8>>>(b"")), Ok(vec![]));
}

#[test]
fn frames_of_other_programs_are_read() {
    assert_eq!(Zstd::<String>::decode(&stored(5, b"hello")).as_deref(), Ok("hello"));
    assert_eq!(Zstd::<Vec<u8>>::decode(&zeros(3)), Ok(vec![0; 3 << 17]), "without a size");
}

#[test]
fn a_changed_frame_is_refused() {
    let bytes = encoded::<Zstd<Vec<u8>>>(&[7; 1000]);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << 6;
        if let Ok(read) = Zstd::<Vec<u8>>::decode(&changed) {
            assert_eq!(read, [7; 1000], "byte {place} has no meaning for the content");
        }
    }
}

#[test]
fn a_value_is_bounded_before_compression() {
    type Small = Zstd<Vec<u8>, 1000>;
    let too_large = "more than 1000 bytes before compression";
    assert_eq!(Small::decode(&encoded::<Small>(&[7; 1000])), Ok(vec![7; 1000]));
    assert_eq!(unwritable::<Small>(&[7; 1001]).to_string(), too_large);
    let foreign = encoded::<Zstd<Vec<u8>>>(&[7; 1001]);
    assert_eq!(undecodable::<Small>(&foreign).to_string(), too_large);
    let bomb = zeros(1000);
    assert_eq!(bomb.len(), 4006, "stands for 125 MiB");
    undecodable::<Small>(&bomb);
    undecodable::<Zstd<Vec<u8>>>(&bomb);
}

#[test]
fn bytes_that_are_no_frame_are_refused() {
    let frame = stored(5, b"hello");
    let cut_off = (0..frame.len()).map(|length| frame[..length].to_vec());
    let wrong = [
        b"plain text".to_vec(),
        stored(4, b"hello"),
        stored(6, b"hello"),
        stored(64 << 20, b"hello"),
        stored(u64::MAX / 2, b"hello"),
        [&frame[..], b"more"].concat(),
        [&frame[..], &frame].concat(),
        b"\x50\x2a\x4d\x18\0\0\0\0".to_vec(),
        [b"\x50\x2a\x4d\x18\x01\0\0\0x", &frame[..]].concat(),
    ];
    for bytes in cut_off.chain(wrong) {
        undecodable::<Zstd<String>>(&bytes);
    }
    let reason = undecodable::<Zstd<u8>>(&frame).to_string();
    assert_eq!(reason, "not a decimal number that fits u8", "what the inner codec refuses");
}
