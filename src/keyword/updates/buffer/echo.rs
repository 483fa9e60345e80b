use crate::keyword::names::KeywordName;

/// What the server is about to notify of since a dispatcher has just told of it: each part at most
/// once, and right after the message, for a script does both.
#[derive(Default)]
pub(crate) struct Echo(Option<(KeywordName, Vec<Part>)>);

/// What of a keyword has a key that is listened to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Value,
    Status,
}

impl Part {
    /// The key of the value, and the part that `key` is of.
    pub(crate) fn of(key: &[u8]) -> (&[u8], Self) {
        key.strip_suffix(b":status").map_or((key, Self::Value), |value| (value, Self::Status))
    }
}

impl Echo {
    pub(crate) fn of(keyword: &KeywordName, has_value: bool) -> Self {
        let parts = [Part::Value, Part::Status].into_iter().skip(usize::from(!has_value));
        Self(Some((keyword.clone(), parts.collect())))
    }

    /// Whether a notification is a part of it. Where it is not, the echo is over.
    pub(crate) fn is_of(&mut self, keyword: &KeywordName, part: Part) -> bool {
        if let Some((told, parts)) = &mut self.0
            && told == keyword
            && let Some(place) = parts.iter().position(|expected| *expected == part)
        {
            parts.swap_remove(place);
            return true;
        }
        self.0 = None;
        false
    }
}
