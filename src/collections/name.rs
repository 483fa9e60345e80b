use std::fmt;
use std::sync::Arc;

use crate::keys;

/// The name of a collection: any bytes. Cheap to clone.
///
/// The server accepts an empty one, and so do lists, sets and hash dictionaries. A `RedisDict`, a
/// work queue and a read-through cache refuse it, since they have other keys beside their name.
#[derive(Clone)]
pub struct Name(Bytes);

/// The bytes of a name, shared by its clones.
#[derive(Clone)]
enum Bytes {
    Constant(&'static str),
    Shared(Arc<[u8]>),
}

impl Name {
    /// A name known at compile time.
    pub const fn constant(name: &'static str) -> Self {
        Self(Bytes::Constant(name))
    }

    /// The reason why no collection can have this name, if there is one.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        keys::refusal(self.as_bytes())
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Constant(name) => name.as_bytes(),
            Bytes::Shared(name) => name,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        name.as_bytes().into()
    }
}

impl From<&String> for Name {
    fn from(name: &String) -> Self {
        name.as_bytes().into()
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.into_bytes().into()
    }
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Self {
        Self(Bytes::Shared(name.into()))
    }
}

impl From<Vec<u8>> for Name {
    fn from(name: Vec<u8>) -> Self {
        Self(Bytes::Shared(name.into()))
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Self {
        name.clone()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}
