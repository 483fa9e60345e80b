//! Validates the definitions of keywords.

use super::definition::Keyword;
use super::description::Access;
use super::kind::Kind;
use super::names::KeywordName;
use super::value::Value;

impl<E> Keyword<E> {
    /// Returns the name in its proper case, or an error of the definition, regardless of its
    /// functions.
    pub(crate) fn check_definition(&self) -> Result<KeywordName, String> {
        let name = self.description.check()?;
        let (access, initial) = (self.description.access, self.initial.as_ref());
        let is_wrong = |problem: &str| Err(format!("{name}: {problem}"));
        match self.description.kind {
            _ if self.is_contradictory => is_wrong("it cannot be both read-only and write-only"),
            _ if access == Access::ReadOnly && self.is_always_written => {
                is_wrong("a read-only keyword cannot have `always_write`")
            }
            _ if access == Access::WriteOnly && initial.is_some() => {
                is_wrong("a write-only keyword has no initial value")
            }
            Kind::Integer | Kind::Enumerated | Kind::Mask if initial.is_some_and(has_fraction) => {
                is_wrong("its initial value is not a whole number")
            }
            _ if self.every.is_some_and(|period| period.is_zero()) => {
                is_wrong("`every` must not be zero")
            }
            _ => Ok(name),
        }
    }

    /// Like [`check_definition`](Self::check_definition), including the functions, which serving
    /// requires.
    pub(crate) fn check_to_serve(&self) -> Result<KeywordName, String> {
        let name = self.check_definition()?;
        if self.every.is_some() && self.hooks.read.is_none() {
            return Err(format!("{name}: it has `every`, but no `on_read`"));
        }
        if self.description.access == Access::WriteOnly && self.hooks.write.is_none() {
            return Err(format!("{name}: it is write-only, but has no `on_write`"));
        }
        Ok(name)
    }
}

fn has_fraction(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.fract() != 0.0)
}
