//! Parsing of the messages of the format `Own`.

use std::collections::HashSet;
use std::str;

use crate::keys::SLOTS;

/// The content of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChangeMessage<'a> {
    /// The process that wrote.
    pub(crate) instance: &'a [u8],
    /// The slot of the changed keys in a cluster.
    pub(crate) stream: Option<u16>,
    pub(crate) sequence: u64,
    pub(crate) changes: Changes<'a>,
}

/// The changes of a message, in their order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Changes<'a> {
    bytes: &'a [u8],
    /// The kind of the change before.
    kind: Option<Kind>,
}

/// One change of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change<'a> {
    pub(crate) kind: Kind,
    /// The key, field or member, or the number of items of a list.
    pub(crate) key: &'a [u8],
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Inserted,
    Updated,
    Removed,
    TimeToLive,
    Cleared,
    /// Too many to be named: the collection must be read again.
    Missed,
    /// The change before was not made.
    Void,
}

/// Parses `payload`, if it is a message of a known version from its first to its last byte.
pub(crate) fn parse(payload: &[u8]) -> Option<ChangeMessage<'_>> {
    let (instance, rest) = word(payload.strip_prefix(b"1 ")?)?;
    let (stream, rest) = word(rest)?;
    let (sequence, changes) = word(rest)?;
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if instance.len() != INSTANCE_LENGTH || !instance.iter().all(is_hex) {
        return None;
    }
    let stream = match stream {
        b"-" => None,
        slot => Some(u16::try_from(decimal(slot)?).ok().filter(|&slot| slot < SLOTS)?),
    };
    let changes = Changes { bytes: changes, kind: None };
    let mut rest = changes;
    while !rest.bytes.is_empty() {
        rest.next()?;
    }
    Some(ChangeMessage { instance, stream, sequence: decimal(sequence)?, changes })
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        let (change, rest) = change(self.bytes, self.kind)?;
        *self = Self { bytes: rest, kind: Some(change.kind) };
        Some(change)
    }
}

/// Splits off the first change.
fn change(bytes: &[u8], before: Option<Kind>) -> Option<(Change<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (kind, rest) = match kind {
        b'I' => (Kind::Inserted, rest),
        b'U' => (Kind::Updated, rest),
        b'R' => (Kind::Removed, rest),
        b'T' => (Kind::TimeToLive, rest),
        b'C' => (Kind::Cleared, rest),
        b'M' => (Kind::Missed, rest),
        b'V' => (Kind::Void, rest),
        _ => (before?, bytes),
    };
    let digits = rest.iter().take(MAX_DIGITS).position(|&byte| byte == b':')?;
    let length = usize::try_from(decimal(&rest[..digits])?).ok()?;
    let (key, rest) = rest[digits + 1..].split_at_checked(length)?;
    Some((Change { kind, key }, rest))
}

/// Writes `items`, each once, as messages have them after the kind of their changes: a text for each
/// thousand of `count`. All are empty if one would be too long, or there are no items.
pub(crate) fn texts(items: Option<Vec<&[u8]>>, count: usize) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new(); count.div_ceil(MAX_CHANGES)];
    let mut seen = HashSet::new();
    for item in items.unwrap_or_default() {
        let text = texts.get_mut(seen.len() / MAX_CHANGES);
        if let Some(text) = text.filter(|_| seen.insert(item)) {
            text.extend_from_slice(item.len().to_string().as_bytes());
            text.push(b':');
            text.extend_from_slice(item);
        }
    }
    if texts.iter().any(|text| text.len() > MAX_TEXT) {
        texts.fill(Vec::new());
    }
    texts
}

/// Splits at the first space.
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().take(MAX_DIGITS).position(|&byte| byte == b' ')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// A number in its only valid notation.
fn decimal(digits: &[u8]) -> Option<u64> {
    let canonical = digits == b"0" || !digits.starts_with(b"0");
    let all = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| canonical && all)?.parse().ok()
}

const INSTANCE_LENGTH: usize = 16;

/// The most changes of one message.
pub(crate) const MAX_CHANGES: usize = 1000;

/// Longer texts are left to the server, so that a write of large items does not become twice as
/// large.
const MAX_TEXT: usize = 1 << 20;

/// No word and no length is longer.
const MAX_DIGITS: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "1 0123456789abcdef - 7 ";

    fn kind(letter: u8) -> Kind {
        match letter {
            b'I' => Kind::Inserted,
            b'U' => Kind::Updated,
            b'R' => Kind::Removed,
            b'T' => Kind::TimeToLive,
            b'C' => Kind::Cleared,
            _ => Kind::Void,
        }
    }

    #[test]
    fn a_message_is_read_or_refused_as_a_whole() {
        for (payload, changes) in [
            ("1 0123456789abcdef - 7 I3:a:b", Some(1)),
            ("1 0123456789abcdef 16383 7 I0:U1:aR1:bT1:cC0:M0:V0:", Some(7)),
            ("1 0123456789abcdef - 7 I1:a1:bU1:c0:", Some(4)),
            ("1 0123456789abcdef - 7 1:a", None),
            ("1 0123456789abcdef - 18446744073709551615 V0:", Some(1)),
            ("1 0123456789abcdef - 7 ", Some(0)),
            ("2 0123456789abcdef - 7 I1:a", None),
            ("1 0123456789ABCDEF - 7 I1:a", None),
            ("1 0123456789abcde - 7 I1:a", None),
            ("1 0123456789abcdef 16384 7 I1:a", None),
            ("1 0123456789abcdef + 7 I1:a", None),
            ("1 0123456789abcdef - 07 I1:a", None),
            ("1 0123456789abcdef - +7 I1:a", None),
            ("1 0123456789abcdef -  I1:a", None),
            ("1 0123456789abcdef - 18446744073709551616 V0:", None),
            ("1 0123456789abcdef - 7", None),
            ("1 0123456789abcdef - 7 X1:a", None),
            ("1 0123456789abcdef - 7 I2:a", None),
            ("1 0123456789abcdef - 7 I1:ab", None),
            ("1 0123456789abcdef - 7 I1", None),
            ("1 0123456789abcdef - 7 I:a", None),
            ("1 0123456789abcdef - 7 I18446744073709551615:a", None),
            ("", None),
        ] {
            let parsed = parse(payload.as_bytes());
            assert_eq!(parsed.map(|message| message.changes.count()), changes, "{payload}");
        }
    }

    #[test]
    fn a_change_without_a_kind_has_that_of_the_one_before() {
        let message = parse(b"1 0123456789abcdef - 7 I1:a2:bcU0:1:d").unwrap();
        let changes: Vec<_> = message.changes.map(|change| (change.kind, change.key)).collect();
        let (inserted, updated) = (Kind::Inserted, Kind::Updated);
        let expected: [(_, &[u8]); 4] =
            [(inserted, b"a"), (inserted, b"bc"), (updated, b""), (updated, b"d")];
        assert_eq!(changes, expected);
    }

    #[test]
    fn texts_have_each_item_once_and_a_thousand_at_most() {
        let numbers: Vec<_> = (0..1200).map(|number| number.to_string()).collect();
        let twice = || numbers.iter().flat_map(|number| [number.as_bytes(); 2]).collect::<Vec<_>>();
        let read = |text: &Vec<u8>| -> Vec<String> {
            let payload = [HEAD.as_bytes(), b"I", &text[..]].concat();
            let changes = parse(&payload).unwrap().changes;
            changes.map(|change| String::from_utf8(change.key.to_vec()).unwrap()).collect()
        };
        let [first, second, third] = texts(Some(twice()), 2400).try_into().unwrap();
        assert_eq!((read(&first), read(&second)), (numbers[..1000].into(), numbers[1000..].into()));
        assert!(third.is_empty());
        let large = vec![b'a'; MAX_TEXT];
        assert_eq!(texts(Some(vec![b"a", &large]), 2), [b""]);
        assert_eq!(texts(None, 1500), [b"", b""]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
            let after_a_head = [HEAD.as_bytes(), &bytes].concat();
            for payload in [bytes, after_a_head] {
                if let Some(message) = parse(&payload) {
                    prop_assert!(message.changes.count() <= payload.len());
                }
            }
        }

        #[test]
        fn a_truncated_message_yields_only_whole_changes(
            changes in vec((prop::sample::select(b"IURTCV".to_vec()), vec(any::<u8>(), 0..30)), 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut payload = HEAD.as_bytes().to_vec();
            for (letter, key) in &changes {
                payload.push(*letter);
                payload.extend_from_slice(format!("{}:", key.len()).as_bytes());
                payload.extend_from_slice(key);
            }
            let expected: Vec<_> =
                changes.iter().map(|(letter, key)| Change { kind: kind(*letter), key }).collect();
            let whole: Vec<_> = parse(&payload).unwrap().changes.collect();
            prop_assert_eq!(&whole, &expected);
            if let Some(message) = parse(&payload[..cut.index(payload.len())]) {
                let some: Vec<_> = message.changes.collect();
                prop_assert!(expected.starts_with(&some));
            }
        }
    }
}
