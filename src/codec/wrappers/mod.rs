//! Codecs around other codecs.

mod option;
mod pointer;
mod versioned;
#[cfg(feature = "zstd")]
mod zstd;

pub use self::versioned::{Upgrade, Versioned};
#[cfg(feature = "zstd")]
pub use self::zstd::Zstd;
