use std::fmt;
use std::marker::PhantomData;

use chacha20poly1305::aead::Generate;
use chacha20poly1305::{AeadInOut, Tag, XNonce};

use super::key_ring::{Key, KeyRing};
use crate::codec::{Codec, CodecError, NonEmpty};

/// The keys of an [`Encrypted`] codec. A codec is a type without a value, so the ring is a static.
///
/// ```
/// use std::sync::OnceLock;
///
/// use redis_collections::{Encrypted, EncryptionKeys, Json, KeyRing, LocalServer, RedisDict};
///
/// struct AppKeys;
///
/// /// Set when the program starts.
/// static RING: OnceLock<KeyRing> = OnceLock::new();
///
/// impl EncryptionKeys for AppKeys {
///     fn ring() -> Option<&'static KeyRing> {
///         RING.get()
///     }
/// }
///
/// # let server = LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// # let key = [7; 32];
/// let cards: RedisDict<u64, Encrypted<Json<String>, AppKeys>> = RedisDict::new(&client, "cards");
/// let card = "4111".to_owned();
/// assert!(cards.insert(&1, &card).is_err(), "there is no key yet");
/// RING.get_or_init(|| KeyRing::writing(1, &key));
/// cards.insert(&1, &card)?;
/// assert_eq!(cards.get(&1)?, Some(card));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no key ring",
    label = "`Encrypted<_, {Self}>` needs `EncryptionKeys` of `{Self}`"
)]
pub trait EncryptionKeys: 'static {
    /// The ring, or `None` if the program has not loaded its keys yet: then values are neither
    /// written nor read.
    fn ring() -> Option<&'static KeyRing>;
}

/// The bytes of the codec `C`, encrypted and authenticated with the newest key of `K`:
/// `Encrypted<Json<Card>, AppKeys>`. See [`EncryptionKeys`] for a program.
///
/// The cipher is XChaCha20-Poly1305, with a random nonce of the operating system for each value.
/// The bytes are a 1 for this format, the id of the key in four bytes (big-endian), the nonce of 24
/// bytes, and the encrypted value with its tag of 16 bytes. The first five are authenticated too.
///
/// The data on the server reveals the size of a value and when it changes, and nothing of its
/// content. A changed byte is an error. A writer could still replace a value by an older one, or by
/// that of another key, since the codec of a value does not see its key; collections with rings of
/// their own are safe from each other's values. Equal values have different bytes, so an encrypted
/// key of a dictionary is never found again, and the codec is not [`Canonical`](crate::Canonical).
///
/// To compress as well, compress first: `Encrypted<Zstd<C>, K>`. The size then depends on the
/// content, which matters if an attacker chooses a part of it.
pub struct Encrypted<C, K>(PhantomData<fn() -> (C, K)>);

impl<C: Codec, K: EncryptionKeys> Codec for Encrypted<C, K> {
    type Borrowed = C::Borrowed;
    type Owned = C::Owned;

    fn encode(value: &C::Borrowed, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = bytes.len();
        let encrypted = encrypt::<C>(ring::<K>()?.newest(), value, bytes);
        if encrypted.is_err() {
            bytes.truncate(start);
        }
        encrypted
    }

    fn decode(bytes: &[u8]) -> Result<C::Owned, CodecError> {
        let plain = decrypt(ring::<K>()?, bytes)?;
        // The bytes of the error would be the decrypted ones, which are not stored.
        C::decode_owned(plain).map_err(|undecodable| undecodable.reason().clone())
    }
}

impl<C: Codec, K: EncryptionKeys> NonEmpty for Encrypted<C, K> {}

impl<C, K> fmt::Debug for Encrypted<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

fn ring<K: EncryptionKeys>() -> Result<&'static KeyRing, CodecError> {
    K::ring().ok_or_else(|| CodecError::new("the program has not loaded its encryption keys"))
}

/// Appends the header, the nonce, and then `value`, which is encrypted where it lies.
fn encrypt<C: Codec>(
    key: &Key,
    value: &C::Borrowed,
    bytes: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let without_random =
        |error| CodecError::new("the system has no random numbers").with_source(error);
    let nonce = XNonce::try_generate().map_err(without_random)?;
    let header = header(key.id);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&nonce);
    let start = bytes.len();
    C::encode(value, bytes)?;
    let plain = &mut bytes[start..];
    let tag = key.cipher.encrypt_inout_detached(&nonce, &header, plain.into());
    bytes.extend_from_slice(&tag.map_err(|_| CodecError::new("too large to be encrypted"))?);
    Ok(())
}

fn decrypt(ring: &KeyRing, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let parts = parts(bytes).ok_or_else(|| CodecError::new("not an encrypted value"))?;
    let Parts { header, id, nonce, encrypted, tag } = parts;
    let mut keys = ring.with_id(id).peekable();
    if keys.peek().is_none() {
        return Err(CodecError::new(format!("there is no encryption key {id}")));
    }
    let opened = keys.find_map(|key| {
        let mut plain = encrypted.to_vec();
        let buffer = plain.as_mut_slice().into();
        key.cipher.decrypt_inout_detached(&nonce, header, buffer, &tag).ok().map(|()| plain)
    });
    opened.ok_or_else(|| {
        CodecError::new(format!("changed bytes, or another key than the one with the id {id}"))
    })
}

/// The parts of a stored value. The id is in the header.
struct Parts<'a> {
    header: &'a [u8; HEADER],
    id: u32,
    nonce: XNonce,
    encrypted: &'a [u8],
    tag: Tag,
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let [FORMAT, id @ ..] = *header else { return None };
    let (nonce, rest) = rest.split_first_chunk::<24>()?;
    let (encrypted, tag) = rest.split_last_chunk::<16>()?;
    let (id, nonce, tag) = (u32::from_be_bytes(id), (*nonce).into(), (*tag).into());
    Some(Parts { header, id, nonce, encrypted, tag })
}

fn header(id: u32) -> [u8; HEADER] {
    let [a, b, c, d] = id.to_be_bytes();
    [FORMAT, a, b, c, d]
}

/// The bytes of the format and of the id.
const HEADER: usize = 5;
/// The only format so far.
const FORMAT: u8 = 1;
