use std::fmt;

/// A command that was attempted: its name and its key, never a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    pub(crate) command: &'static str,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) field: Option<Vec<u8>>,
    pub(crate) writes: bool,
    pub(crate) in_part: bool,
    /// Whether it may have failed half-way through several writes.
    pub(crate) halfway: bool,
}

impl Attempt {
    /// The command, such as `HGET`.
    pub fn command(&self) -> &str {
        self.command
    }

    /// The Redis key of the command, prefix included.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The hash field of the command.
    pub fn field(&self) -> Option<&[u8]> {
        self.field.as_deref()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.command)?;
        [&self.key, &self.field].into_iter().flatten().try_for_each(|name| {
            let shown = &name[..name.len().min(LONGEST_SHOWN)];
            let more = if shown.len() < name.len() { "…" } else { "" };
            write!(f, " \"{}{more}\"", shown.escape_ascii())
        })
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// The maximum length of a key in a message.
const LONGEST_SHOWN: usize = 120;
