//! Dictionaries with a near cache in this program.

mod cacheable;
mod dictionary;
mod feed_options;
mod key_bytes;
mod settings;
mod source;

pub use self::dictionary::{Cached, CachedDict, CachedHashDict};
pub use self::settings::{NearCacheSettings, OnDisconnect};
