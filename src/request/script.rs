//! Lua scripts as commands: `EVALSHA`, and `EVAL` if the server does not have the script yet.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::changes;

/// A script that changes data, known to the server by the hash of its source.
#[derive(Debug)]
pub(crate) struct Script {
    /// The name of the script in errors.
    pub(crate) name: &'static str,
    source: Option<&'static str>,
    /// Whether it makes changes in several steps, of which a later one may fail.
    pub(crate) has_steps: bool,
    plain: OnceLock<Source>,
    publishing: OnceLock<Source>,
}

/// The source of a script, as sent to the server.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) hash: String,
}

impl Script {
    /// A script with several writes. An error that it returns occurred before the first write; one
    /// that it raises may have occurred after.
    pub(crate) const fn new(name: &'static str, source: &'static str) -> Self {
        Self::made(name, Some(source), true)
    }

    /// A script that does nothing more after its one write, and so has changed nothing if it fails.
    pub(crate) const fn of_one_write(name: &'static str, source: &'static str) -> Self {
        Self::made(name, Some(source), false)
    }

    const fn made(name: &'static str, source: Option<&'static str>, has_steps: bool) -> Self {
        Self { name, source, has_steps, plain: OnceLock::new(), publishing: OnceLock::new() }
    }

    pub(crate) fn hash(&self) -> &str {
        &self.plain().hash
    }

    pub(crate) fn plain(&self) -> &Source {
        self.plain.get_or_init(|| Source::new(self.source.unwrap_or_default()))
    }

    /// The same script, which publishes its changes.
    pub(crate) fn publishing(&self) -> &Source {
        self.publishing.get_or_init(|| Source::new(changes::publishing_source(self.source)))
    }
}

impl Source {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = without_comments(&text.into());
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }
}

/// The lines of a script that the server needs.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes the one entry in its arguments, and publishes the change.
pub(crate) static QUICK: Script = Script::of_one_write("an entry", changes::QUICK);

/// Runs the command in its arguments, and publishes its changes.
pub(crate) static COMMAND: Script = Script::made("a command", None, false);
