//! Parsing of the messages of the format `Own`.

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
pub(crate) struct Changes<'a>(&'a [u8]);

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
    let mut rest = changes;
    while !rest.is_empty() {
        (_, rest) = change(rest)?;
    }
    Some(ChangeMessage {
        instance,
        stream,
        sequence: decimal(sequence)?,
        changes: Changes(changes),
    })
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        let (change, rest) = change(self.0)?;
        self.0 = rest;
        Some(change)
    }
}

/// Splits off the first change.
fn change(bytes: &[u8]) -> Option<(Change<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let kind = match kind {
        b'I' => Kind::Inserted,
        b'U' => Kind::Updated,
        b'R' => Kind::Removed,
        b'T' => Kind::TimeToLive,
        b'C' => Kind::Cleared,
        b'V' => Kind::Void,
        _ => return None,
    };
    let digits = rest.iter().take(MAX_DIGITS).position(|&byte| byte == b':')?;
    let length = usize::try_from(decimal(&rest[..digits])?).ok()?;
    let (key, rest) = rest[digits + 1..].split_at_checked(length)?;
    Some((Change { kind, key }, rest))
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
            ("1 0123456789abcdef 16383 7 I0:U1:aR1:bT1:cC0:V0:", Some(6)),
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
