//! Lua scripts as commands: `EVALSHA`, and `EVAL` where the server does not have the script yet.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::notices;

/// A script that changes something, known to the server by the hash of its source.
#[derive(Debug)]
pub(crate) struct Script {
    /// What errors call it.
    pub(crate) name: &'static str,
    source: Option<&'static str>,
    plain: OnceLock<Source>,
    telling: OnceLock<Source>,
}

/// What the server gets to know.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) text: Cow<'static, str>,
    pub(crate) hash: String,
}

impl Script {
    pub(crate) const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source: Some(source), plain: OnceLock::new(), telling: OnceLock::new() }
    }

    pub(crate) fn hash(&self) -> &str {
        &self.plain().hash
    }

    pub(crate) fn plain(&self) -> &Source {
        self.plain.get_or_init(|| Source::new(self.source.unwrap_or_default()))
    }

    /// The same script, which tells of what it changes.
    pub(crate) fn telling(&self) -> &Source {
        self.telling.get_or_init(|| Source::new(notices::telling(self.source)))
    }
}

impl Source {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }
}

/// Runs the one command it is given, and tells of what that changes.
pub(crate) static COMMAND: Script =
    Script { name: "a command", source: None, plain: OnceLock::new(), telling: OnceLock::new() };
