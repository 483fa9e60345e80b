use super::name::Name;
use crate::glob::escape;

/// What the keys of a dictionary begin with.
#[derive(Debug, Clone)]
pub(crate) enum Prefix {
    /// A name and a colon. The name holds no colon, so that no such prefix begins another.
    Named(Name),
    /// Just these bytes; none at all for a whole database.
    Literal(Name),
}

impl Prefix {
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        match self {
            Prefix::Named(name) => [name.as_bytes(), b":"],
            Prefix::Literal(prefix) => [prefix.as_bytes(), b""],
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The stored key of the entry `key`.
    #[cfg(feature = "near-cache")]
    pub(crate) fn key(&self, key: &[u8]) -> Vec<u8> {
        let [name, separator] = self.parts();
        [name, separator, key].concat()
    }

    /// The part of `key` after the prefix, if it begins with it.
    pub(crate) fn strip<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        let [name, separator] = self.parts();
        key.strip_prefix(name)?.strip_prefix(separator)
    }

    /// The pattern of the keys whose rest matches `glob`.
    pub(crate) fn pattern(&self, glob: &[u8]) -> Vec<u8> {
        let mut pattern = escape(&self.bytes());
        pattern.extend_from_slice(glob);
        pattern
    }

    /// Why no command can be sent for this prefix, if none can.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Prefix::Named(name) if name.as_bytes().is_empty() => Some(EMPTY),
            Prefix::Named(name) if name.as_bytes().contains(&b':') => Some(COLON),
            _ => None,
        }
    }

    /// Why all that begins with this prefix cannot be counted or cleared, if it cannot.
    pub(crate) fn refusal_of_all(&self) -> Option<&'static str> {
        match self {
            Prefix::Literal(prefix) if prefix.as_bytes().is_empty() => Some(WHOLE_DATABASE),
            _ => self.refusal(),
        }
    }
}

const EMPTY: &str = "the name of a dictionary is empty; `whole_database` has no prefix";
const COLON: &str = "the name of a dictionary holds a colon, so it could overlap with another; \
                     `with_prefix` takes any prefix";
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
            (Prefix::Literal("a&&".into()), "a&&", Some("")),
            (Prefix::Literal("".into()), "any", Some("any")),
        ] {
            assert_eq!(prefix.strip(key.as_bytes()), rest.map(str::as_bytes), "{prefix:?} {key}");
        }
        assert_eq!(Prefix::Named("n[s]".into()).pattern(b"k*"), br"n\[s\]:k*");
    }

    #[test]
    fn a_name_that_could_overlap_with_another_is_refused() {
        for (prefix, one, all) in [
            (Prefix::Named("users".into()), None, None),
            (Prefix::Named("".into()), Some(EMPTY), Some(EMPTY)),
            (Prefix::Named("a:b".into()), Some(COLON), Some(COLON)),
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
