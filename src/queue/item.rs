//! The format of items in the lists of a queue: a job's bytes as they are, or with a header.
//!
//! `0x1e "q1;" deliveries mark ";" id ";" bytes`, where `deliveries` counts those that failed, were
//! dropped, or were lost after the job had begun. The mark is empty, or `?` if a consumer was lost
//! while it held the job, `!` if the job has been begun again since then, `+` if it has been begun
//! otherwise; `!` and `+` only in the list of a consumer. The id may be empty if nothing is counted
//! or marked. Bytes that begin like a header get one when they are pushed, so that any bytes are
//! returned as they were pushed. `envelope.lua` reads and writes the same format.
//!
//! An id is `microseconds "-" anything`: the server's time when the item got it, and a part that
//! makes it unique.

use std::marker::PhantomData;

use crate::codec::{Codec, CodecError};

/// The encoding of a pushed job: as the codec `T` writes it, with a header if it could be mistaken
/// for one.
pub(super) struct Pushed<T>(PhantomData<fn() -> T>);

impl<T: Codec> Codec for Pushed<T> {
    type Borrowed = T::Borrowed;
    type Owned = T::Owned;

    fn encode(value: &T::Borrowed, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = bytes.len();
        T::encode(value, bytes)?;
        if bytes[start..].starts_with(MARK) {
            bytes.splice(start..start, PLAIN_HEADER.iter().copied());
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<T::Owned, CodecError> {
        T::decode(Item::parse(bytes).payload)
    }
}

/// An item, parsed.
#[derive(Debug, PartialEq)]
pub(super) struct Item<'a> {
    pub(super) deliveries: u32,
    pub(super) mark: Option<u8>,
    pub(super) id: Option<&'a [u8]>,
    pub(super) payload: &'a [u8],
}

impl<'a> Item<'a> {
    /// Parses an item. Bytes without a valid header are a job as they are.
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let plain = Self { deliveries: 0, mark: None, id: None, payload: bytes };
        Self::with_header(bytes).unwrap_or(plain)
    }

    /// Returns whether a consumer was lost while it held this job, so that the job may be one that
    /// crashes programs.
    pub(super) fn was_lost(&self) -> bool {
        matches!(self.mark, Some(b'?' | b'!'))
    }

    /// Returns whether the server knows that this job has begun.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.mark, Some(b'+' | b'!'))
    }

    /// Parses an item with a header that only a queue can have written.
    fn with_header(bytes: &'a [u8]) -> Option<Self> {
        let (deliveries, rest) = until_semicolon(bytes.strip_prefix(MARK)?)?;
        let (id, payload) = until_semicolon(rest)?;
        let (deliveries, mark) = match deliveries {
            [deliveries @ .., mark @ (b'?' | b'!' | b'+')] => (deliveries, Some(*mark)),
            deliveries => (deliveries, None),
        };
        let (deliveries, id) = (number(deliveries)?, Some(id).filter(|id| !id.is_empty()));
        let is_ours = id.is_some() || (deliveries == 0 && mark.is_none());
        is_ours.then_some(Self { deliveries, mark, id, payload })
    }
}

/// An item of the dead-letter queue: `0x1e "d1;" milliseconds ";" length of the reason ";" reason
/// item`.
#[derive(Debug, PartialEq)]
pub(super) struct DeadItem<'a> {
    pub(super) buried_at: u64,
    pub(super) reason: &'a [u8],
    pub(super) item: &'a [u8],
}

impl<'a> DeadItem<'a> {
    /// Parses an item. Anything else that was put into the list has no reason.
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        Self::with_header(bytes).unwrap_or(Self { buried_at: 0, reason: b"", item: bytes })
    }

    fn with_header(bytes: &'a [u8]) -> Option<Self> {
        let (buried_at, rest) = until_semicolon(bytes.strip_prefix(DEAD_MARK)?)?;
        let (length, rest) = until_semicolon(rest)?;
        let (reason, item) = rest.split_at_checked(number(length)?)?;
        Some(Self { buried_at: number(buried_at)?, reason, item })
    }
}

/// Parses an item of any list of a queue. Returns whether it has a header.
#[cfg(test)]
pub(crate) fn read_item(bytes: &[u8]) -> bool {
    let dead = DeadItem::parse(bytes);
    let item = Item::parse(dead.item);
    let decoded = Pushed::<Vec<u8>>::decode(bytes);
    item.payload.len() < bytes.len() && (item.was_lost() || decoded.is_ok())
}

/// Splits at the first semicolon.
fn until_semicolon(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b';')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads decimal digits, without a sign.
fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

const MARK: &[u8] = b"\x1eq1;";
const PLAIN_HEADER: &[u8] = b"\x1eq1;0;;";
const DEAD_MARK: &[u8] = b"\x1ed1;";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushed(bytes: &[u8]) -> Vec<u8> {
        let mut pushed = b"before".to_vec();
        Pushed::<Vec<u8>>::encode(bytes, &mut pushed).unwrap();
        pushed.split_off(b"before".len())
    }

    proptest! {
        #[test]
        fn any_bytes_round_trip(
            bytes: Vec<u8>,
            mark in prop::sample::select(vec![&b""[..], MARK, PLAIN_HEADER, b"\x1eq1;7;id;", DEAD_MARK]),
        ) {
            let bytes = [mark, &bytes].concat();
            let pushed = pushed(&bytes);
            let item = Item { deliveries: 0, mark: None, id: None, payload: &bytes };
            prop_assert_eq!(Item::parse(&pushed), item);
            prop_assert_eq!(pushed == bytes, !bytes.starts_with(MARK));
            prop_assert_eq!(Pushed::<Vec<u8>>::decode(&pushed).unwrap(), bytes);
        }

        #[test]
        fn anything_in_a_list_is_an_item(bytes: Vec<u8>) {
            let bytes = [MARK, &bytes].concat();
            prop_assert!(bytes.ends_with(Item::parse(&bytes).payload));
            prop_assert!(bytes.ends_with(DeadItem::parse(&bytes).item));
        }
    }

    #[test]
    fn a_header_holds_deliveries_mark_and_id() {
        let marked = |deliveries, mark, id, payload| Item { deliveries, mark, id, payload };
        let item = |deliveries, id, payload| marked(deliveries, None, id, payload);
        for (bytes, expected) in [
            (&b"job"[..], item(0, None, &b"job"[..])),
            (b"\x1eq1;3;12-a;job;", item(3, Some(b"12-a"), b"job;")),
            (b"\x1eq1;0;;", item(0, None, b"")),
            (b"\x1eq1;+1;;x", item(0, None, b"\x1eq1;+1;;x")),
            (b"\x1eq1;99999999999;;x", item(0, None, b"\x1eq1;99999999999;;x")),
            (b"\x1eq1;1;x", item(0, None, b"\x1eq1;1;x")),
            (b"\x1eq1;4294967295;;x", item(0, None, b"\x1eq1;4294967295;;x")),
            (b"\x1eq1;4294967295;1-a;x", item(u32::MAX, Some(b"1-a"), b"x")),
            (b"\x1eq1;2?;1-a;x", marked(2, Some(b'?'), Some(b"1-a"), b"x")),
            (b"\x1eq1;0+;1-a;x", marked(0, Some(b'+'), Some(b"1-a"), b"x")),
            (b"\x1eq1;0?;;x", item(0, None, b"\x1eq1;0?;;x")),
            (b"\x1eq1;?;1-a;x", item(0, None, b"\x1eq1;?;1-a;x")),
        ] {
            assert_eq!(Item::parse(bytes), expected);
        }
    }

    #[test]
    fn a_dead_item_keeps_its_reason_and_payload() {
        let dead = DeadItem::parse(b"\x1ed1;1700;3;a;bjob");
        assert_eq!(dead, DeadItem { buried_at: 1700, reason: b"a;b", item: b"job" });
        let dead = DeadItem::parse(b"\x1ed1;1700;9;job");
        assert_eq!(dead.reason, b"");
    }
}
