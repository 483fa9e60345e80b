//! Codecs around other codecs.

#[cfg(feature = "encryption")]
mod encrypted;
#[cfg(feature = "encryption")]
mod key_ring;
mod option;
mod pointer;
mod versioned;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(feature = "encryption")]
pub use self::encrypted::{Encrypted, EncryptionKeys};
#[cfg(feature = "encryption")]
pub use self::key_ring::KeyRing;
pub use self::versioned::{Upgrade, Versioned};
#[cfg(feature = "zstd")]
pub use self::zstd::Zstd;
