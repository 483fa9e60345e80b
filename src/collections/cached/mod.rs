//! Dictionaries with a near cache in this program.

mod cacheable;
mod dictionary;
mod settings;
mod source;

pub use self::dictionary::{Cached, CachedDict, CachedHashDict};
pub use self::settings::{NearCache, OnDisconnect};
