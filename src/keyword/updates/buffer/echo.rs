use crate::keyword::names::KeywordName;

/// The notifications that the server is about to send for the last change event: each part at most
/// once, and right after the event, as one script does both.
#[derive(Default)]
pub(crate) struct Echo(Option<(KeywordName, Vec<Part>)>);

/// The part of a keyword that a watched key contains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Value,
    Status,
}

impl Part {
    /// Returns the key of the value, and the part that `key` contains.
    pub(crate) fn of(key: &[u8]) -> (&[u8], Self) {
        key.strip_suffix(b":status").map_or((key, Self::Value), |value| (value, Self::Status))
    }
}

impl Echo {
    /// Expects the notifications of a status, and of a value if there is one.
    pub(crate) fn of(keyword: &KeywordName, has_value: bool) -> Self {
        let parts = [Part::Value, Part::Status].into_iter().skip(usize::from(!has_value));
        Self(Some((keyword.clone(), parts.collect())))
    }

    /// Returns whether a notification is part of the echo. If it is not, the echo is over.
    pub(crate) fn is_of(&mut self, keyword: &KeywordName, part: Part) -> bool {
        if let Some((changed, parts)) = &mut self.0
            && changed == keyword
            && let Some(place) = parts.iter().position(|expected| *expected == part)
        {
            parts.swap_remove(place);
            return true;
        }
        self.0 = None;
        false
    }
}
