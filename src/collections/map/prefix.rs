use crate::collections::name::Name;
use crate::keys::escape;
use crate::keys::{HOLDS_THE_MARK, is_side_key, refusal};

/// The prefix of a dictionary's keys.
#[derive(Debug, Clone)]
pub(crate) enum Prefix {
    /// A name and a colon.
    Named(Name),
    /// Exactly these bytes; none at all for a whole database.
    Literal(Name),
    /// The prefix of a read-through cache's keys, which may be keys beside its name.
    #[cfg(feature = "near-cache")]
    Cache(Name),
}

impl Prefix {
    /// The two parts of the prefix, which need not be joined to be sent.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        match self {
            Prefix::Named(name) => [name.as_bytes(), b":"],
            Prefix::Literal(prefix) => [prefix.as_bytes(), b""],
            #[cfg(feature = "near-cache")]
            Prefix::Cache(prefix) => [prefix.as_bytes(), b""],
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The part of `key` after the prefix, if it is the key of an entry.
    pub(crate) fn strip<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        let [name, separator] = self.parts();
        let rest = key.strip_prefix(name)?.strip_prefix(separator)?;
        (!is_side_key(key, name.len() + separator.len())).then_some(rest)
    }

    /// The pattern that matches keys with this prefix whose rest matches `glob`.
    pub(crate) fn pattern(&self, glob: &[u8]) -> Vec<u8> {
        let mut pattern = escape(&self.bytes());
        pattern.extend_from_slice(glob);
        pattern
    }

    /// The reason why no command can be sent for this prefix, if there is one.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Prefix::Named(name) if name.as_bytes().is_empty() => Some(EMPTY),
            // The colon after the name would complete the mark.
            Prefix::Named(name) if name.as_bytes().ends_with(b"~rc") => Some(HOLDS_THE_MARK),
            Prefix::Named(name) | Prefix::Literal(name) => refusal(name.as_bytes()),
            #[cfg(feature = "near-cache")]
            Prefix::Cache(_) => None,
        }
    }

    /// The reason why the entries of this prefix cannot be counted or cleared as a whole, if there
    /// is one.
    pub(crate) fn refusal_of_all(&self) -> Option<&'static str> {
        match self {
            Prefix::Literal(prefix) if prefix.as_bytes().is_empty() => Some(WHOLE_DATABASE),
            _ => self.refusal(),
        }
    }
}

const EMPTY: &str = "the name of a dictionary is empty; `whole_database` has no prefix";
const WHOLE_DATABASE: &str = "this dictionary has no prefix and would touch every string of the \
                              database; the methods that do so say `database` in their names";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_stripped_exactly_and_escaped_in_patterns() {
        for (prefix, key, rest) in [
            (Prefix::Named("a".into()), "a:b:c", Some("b:c")),
            (Prefix::Named("a".into()), "ab:c", None),
            (Prefix::Named("a".into()), "a", None),
            (Prefix::Named("a".into()), "a:b~rc:paused", None),
            (Prefix::Named("a:b".into()), "a:b:c", Some("c")),
            (Prefix::Literal("a~r".into()), "a~rc:paused", None),
            (Prefix::Literal("a&&".into()), "a&&", Some("")),
            (Prefix::Literal("".into()), "any", Some("any")),
        ] {
            assert_eq!(prefix.strip(key.as_bytes()), rest.map(str::as_bytes), "{prefix:?} {key}");
        }
        assert_eq!(Prefix::Named("n[s]".into()).pattern(b"k*"), br"n\[s\]:k*");
    }

    #[test]
    fn a_prefix_of_keys_beside_collections_is_refused() {
        for (prefix, one, all) in [
            (Prefix::Named("users".into()), None, None),
            (Prefix::Named("".into()), Some(EMPTY), Some(EMPTY)),
            (Prefix::Named("a:b".into()), None, None),
            (Prefix::Named("a~rc:b".into()), Some(HOLDS_THE_MARK), Some(HOLDS_THE_MARK)),
            (Prefix::Named("a~rc".into()), Some(HOLDS_THE_MARK), Some(HOLDS_THE_MARK)),
            (Prefix::Literal("a~rc:".into()), Some(HOLDS_THE_MARK), Some(HOLDS_THE_MARK)),
            (Prefix::Literal("a~rc".into()), None, None),
            (Prefix::Literal("a:b:".into()), None, None),
            (Prefix::Literal("".into()), None, Some(WHOLE_DATABASE)),
        ] {
            assert_eq!((prefix.refusal(), prefix.refusal_of_all()), (one, all), "{prefix:?}");
        }
    }

    #[test]
    fn glob_characters_are_escaped() {
        assert_eq!(escape(b"a*b?[c-d]\\^"), br"a\*b\?\[c\-d\]\\\^");
    }
}
