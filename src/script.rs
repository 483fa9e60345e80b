//! Lua scripts as commands: `EVALSHA`, and `EVAL` where the server does not have the script yet.

use std::sync::OnceLock;

/// A script that changes something, known to the server by the hash of its source.
#[derive(Debug)]
pub(crate) struct Script {
    /// What errors call it.
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    pub(crate) const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, hash: OnceLock::new() }
    }

    pub(crate) fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }
}
