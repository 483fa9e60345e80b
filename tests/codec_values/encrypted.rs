use std::sync::OnceLock;

use redis_collections::{
    Client, Codec, CodecError, Encrypted, EncryptionKeys, Json, KeyRing, LocalServer, RedisHashDict,
};

use super::{encoded, undecodable, unwritable};

const OF_2025: [u8; 32] = [0x25; 32];
const OF_2026: [u8; 32] = [0x26; 32];
const HEADER: usize = 5;
const NONCE: usize = 24;
const TAG: usize = 16;

/// Declares keys with a ring that is made when it is first used.
macro_rules! keys {
    ($($name:ident: $ring:expr;)+) => {$(
        struct $name;

        impl EncryptionKeys for $name {
            fn ring() -> Option<&'static KeyRing> {
                static RING: OnceLock<KeyRing> = OnceLock::new();
                Some(RING.get_or_init(|| $ring))
            }
        }
    )+};
}

keys! {
    Old: KeyRing::writing(2025, &OF_2025);
    Announced: KeyRing::writing(2025, &OF_2025).reading(2026, &OF_2026);
    Rotated: KeyRing::writing(2026, &OF_2026).reading(2025, &OF_2025);
    New: KeyRing::writing(2026, &OF_2026);
    OfOthers: KeyRing::writing(2025, &OF_2026);
    SameIds: KeyRing::writing(2025, &OF_2026).reading(2025, &OF_2025);
}

type Text<K> = Encrypted<String, K>;

#[test]
fn a_value_is_encrypted_anew_each_time_and_read_back() {
    let [first, second] = [(); 2].map(|()| encoded::<Text<Old>>("s3cret"));
    assert_eq!(first.len(), HEADER + NONCE + 6 + TAG);
    assert_eq!(&first[..HEADER], [1, 0, 0, 7, 233], "the format, and the id 2025");
    assert_ne!(first[HEADER..][..NONCE], second[HEADER..][..NONCE], "nonces never repeat");
    for bytes in [&first, &second] {
        assert!(!bytes.windows(6).any(|part| part == b"s3cret"));
        assert_eq!(Text::<Old>::decode(bytes).as_deref(), Ok("s3cret"));
    }
    let list = vec![1, 2, 3];
    let bytes = encoded::<Encrypted<Json<_>, Old>>(&list);
    assert_eq!(Encrypted::<Json<_>, Old>::decode(&bytes), Ok(list));
    assert_eq!(Text::<Old>::decode(&encoded::<Text<Old>>("")).as_deref(), Ok(""));
}

/// The bytes come from another implementation of XChaCha20-Poly1305.
#[test]
fn a_value_that_another_implementation_encrypted_is_read() {
    let header = b"\x01\x00\x00\x07\xe9";
    let nonce: [u8; NONCE] = std::array::from_fn(|place| place as u8);
    let encrypted =
        b"\x5f\xc5\x11\x90\x27\xb8\x27\x5f\x8e\x80\x40\x9f\xf6\x64\xe7\x3e\xce\x72\x12\xb5\x0a\xc8";
    let stored = [&header[..], &nonce, encrypted].concat();
    assert_eq!(Text::<Old>::decode(&stored).as_deref(), Ok("s3cret"));
}

#[test]
fn no_changed_byte_of_an_encrypted_value_is_accepted() {
    let bytes = encoded::<Text<Announced>>("s3cret");
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            undecodable::<Text<Announced>>(&changed);
        }
        undecodable::<Text<Announced>>(&bytes[..place]);
    }
    undecodable::<Text<Announced>>(&[&bytes[..], b"x"].concat());
    undecodable::<Text<SameIds>>(b"");
}

#[test]
fn each_key_of_the_ring_reads_and_the_newest_writes() {
    let (old, new) = (encoded::<Text<Old>>("s3cret"), encoded::<Text<New>>("s3cret"));
    assert_eq!(encoded::<Text<Announced>>("s3cret")[..HEADER], old[..HEADER]);
    assert_eq!(encoded::<Text<Rotated>>("s3cret")[..HEADER], new[..HEADER]);
    for bytes in [&old, &new] {
        assert_eq!(Text::<Announced>::decode(bytes).as_deref(), Ok("s3cret"));
        assert_eq!(Text::<Rotated>::decode(bytes).as_deref(), Ok("s3cret"));
    }
    assert_eq!(Text::<SameIds>::decode(&old).as_deref(), Ok("s3cret"), "of two keys with its id");
    for (error, reason) in [
        (undecodable::<Text<New>>(&old), "there is no encryption key 2025"),
        (
            undecodable::<Text<OfOthers>>(&old),
            "changed bytes, or another key than the one with the id 2025",
        ),
        (undecodable::<Text<New>>(b"s3cret"), "not an encrypted value"),
    ] {
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn an_encrypted_value_is_not_bound_to_its_key() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let cards: RedisHashDict<String, Text<Old>> = RedisHashDict::new(&client, "cards");
    cards.insert("ann", "s3cret").unwrap();
    let stored: RedisHashDict<String, Vec<u8>> = cards.typed();
    let of_ann = stored.get("ann").unwrap().unwrap();
    stored.insert("bob", &of_ann).unwrap();
    assert_eq!(cards.get("bob").unwrap().as_deref(), Some("s3cret"));
}

#[test]
fn without_keys_nothing_is_written_or_read() {
    struct NotLoaded;

    impl EncryptionKeys for NotLoaded {
        fn ring() -> Option<&'static KeyRing> {
            None
        }
    }

    let reason = "the program has not loaded its encryption keys";
    assert_eq!(unwritable::<Text<NotLoaded>>("s3cret").to_string(), reason);
    let stored = encoded::<Text<Old>>("s3cret");
    assert_eq!(undecodable::<Text<NotLoaded>>(&stored).to_string(), reason);
}

#[test]
fn no_message_shows_a_key_or_a_decrypted_value() {
    let ring = KeyRing::writing(2026, &OF_2026).reading(2025, &OF_2025);
    assert_eq!(format!("{ring:?}"), "KeyRing { writing: 2026, reading: [2025] }");
    let stored = encoded::<Text<Old>>("s3cret");
    let undecodable = Encrypted::<u8, Old>::decode_owned(stored.clone()).unwrap_err();
    assert_eq!(undecodable.bytes(), stored, "the bytes that are stored");
    assert!(!format!("{undecodable} {undecodable:?}").contains("s3cret"));
}

#[test]
fn a_value_that_cannot_be_written_leaves_no_plain_bytes() {
    struct HalfWritten;

    impl Codec for HalfWritten {
        type Borrowed = ();
        type Owned = ();

        fn encode(_: &(), bytes: &mut Vec<u8>) -> Result<(), CodecError> {
            bytes.extend_from_slice(b"s3cret");
            Err(CodecError::new("refused"))
        }

        fn decode(_: &[u8]) -> Result<(), CodecError> {
            Ok(())
        }
    }

    let mut bytes = b"before".to_vec();
    let refused = Encrypted::<HalfWritten, Old>::encode(&(), &mut bytes);
    assert_eq!((refused, &bytes[..]), (Err(CodecError::new("refused")), &b"before"[..]));
}
