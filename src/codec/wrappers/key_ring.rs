use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

/// The keys of the codec [`Encrypted`](crate::Encrypted): one that writes, and any number that
/// read.
///
/// ```
/// use redis_collections::KeyRing;
///
/// # let (of_2025, of_2026) = ([1; 32], [2; 32]);
/// let ring = KeyRing::writing(2026, &of_2026).reading(2025, &of_2025);
/// assert_eq!(format!("{ring:?}"), "KeyRing { writing: 2026, reading: [2025] }");
/// ```
///
/// Each key has an id, which is stored with the values that it encrypts. A key has 32 random bytes:
/// a password is no key. If several keys have the same id, all of them are tried. `Debug` shows the
/// ids alone, and the keys are erased from memory when the ring is dropped.
///
/// # Rotation
///
/// 1. Add the new key as one that [reads](Self::reading), in all programs.
/// 2. Make it the one that [writes](Self::writing), and the old one a key that reads.
/// 3. Write all values again, for example with [`update`](crate::RedisDict::update).
/// 4. Remove the old key.
pub struct KeyRing {
    writing: Key,
    reading: Vec<Key>,
}

/// A key and its id.
pub(super) struct Key {
    pub(super) id: u32,
    pub(super) cipher: XChaCha20Poly1305,
}

impl KeyRing {
    /// A ring with the key that encrypts all values written from now on. It decrypts too.
    pub fn writing(id: u32, key: &[u8; 32]) -> Self {
        Self { writing: Key::new(id, key), reading: Vec::new() }
    }

    /// Adds a key that only decrypts: one that wrote before, or one that is going to.
    pub fn reading(mut self, id: u32, key: &[u8; 32]) -> Self {
        self.reading.push(Key::new(id, key));
        self
    }

    /// The key that encrypts.
    pub(super) fn newest(&self) -> &Key {
        &self.writing
    }

    /// All keys with this id. There may be several, since users number the keys.
    pub(super) fn with_id(&self, id: u32) -> impl Iterator<Item = &Key> {
        let keys = [&self.writing].into_iter().chain(&self.reading);
        keys.filter(move |key| key.id == id)
    }
}

impl Key {
    fn new(id: u32, key: &[u8; 32]) -> Self {
        Self { id, cipher: XChaCha20Poly1305::new(key.into()) }
    }
}

/// Shows no key.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading: Vec<_> = self.reading.iter().map(|key| key.id).collect();
        let mut shown = f.debug_struct("KeyRing");
        shown.field("writing", &self.writing.id).field("reading", &reading).finish()
    }
}
