//! Dictionaries whose entries are kept in this program too.

mod cacheable;
mod dictionary;
mod settings;
mod source;

pub use self::dictionary::{Cached, CachedDict, CachedHashDict};
pub use self::settings::{NearCache, OnDisconnect};
