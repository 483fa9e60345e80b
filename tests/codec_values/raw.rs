use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use redis_collections::{Codec, CodecError, Json, NonEmpty};
use uuid::Uuid;

use super::{encoded, text, undecodable, unwritable};

#[test]
fn a_uuid_is_written_as_hyphenated_text_and_read_in_every_form() {
    let uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    assert_eq!(text::<Uuid>(&uuid), "67e55044-10b1-426f-9247-bb680e5fe0c8");
    for form in [
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "67E55044-10B1-426F-9247-BB680E5FE0C8",
        "67e5504410b1426f9247bb680e5fe0c8",
        "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
        "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
    ] {
        assert_eq!(Uuid::decode(form.as_bytes()), Ok(uuid), "{form}");
    }
    for bytes in [&b""[..], b"67e55044", b"67e55044-10b1-426f-9247-bb680e5fe0c\xff", &[7; 16]] {
        assert_eq!(undecodable::<Uuid>(bytes).to_string(), "not a UUID");
    }
}

#[test]
fn a_point_in_time_is_written_in_whole_milliseconds_since_1970() {
    let after = |time| UNIX_EPOCH + time;
    let before = |time| UNIX_EPOCH - time;
    for (time, written) in [
        (UNIX_EPOCH, "0"),
        (after(Duration::from_millis(1_718_810_565_500)), "1718810565500"),
        (after(Duration::from_nanos(1_999_999)), "1"),
        (before(Duration::from_nanos(1)), "-1"),
        (before(Duration::from_millis(1)), "-1"),
        (before(Duration::from_nanos(1_000_001)), "-2"),
    ] {
        assert_eq!(text::<SystemTime>(&time), written);
    }
    for (text, time) in [
        ("1718810565500", after(Duration::from_millis(1_718_810_565_500))),
        ("+5", after(Duration::from_millis(5))),
        ("-1500", before(Duration::from_millis(1_500))),
        ("9223372036854775807", after(Duration::from_millis(i64::MAX.unsigned_abs()))),
        ("-9223372036854775808", before(Duration::from_millis(i64::MIN.unsigned_abs()))),
    ] {
        assert_eq!(SystemTime::decode(text.as_bytes()), Ok(time), "{text}");
    }
    for text in ["", "1.5", "1e3", "now", "2024-06-19T15:22:45Z", "9223372036854775808"] {
        let error = undecodable::<SystemTime>(text.as_bytes());
        assert_eq!(error.to_string(), "not milliseconds since 1970 as a decimal number");
    }
    let too_late = after(Duration::from_secs(u64::MAX / 2));
    assert_eq!(
        unwritable::<SystemTime>(&too_late).to_string(),
        "a point in time that does not fit"
    );
}

#[test]
fn times_of_jiff_are_written_in_the_forms_of_rfc_3339() {
    fn is_form<C>(form: &str)
    where
        C: Codec<Borrowed = C, Owned = C> + FromStr<Err: Debug> + Display + Debug + PartialEq,
    {
        let value: C = form.parse().unwrap();
        assert_eq!(text::<C>(&value), form);
        assert_eq!(C::decode(form.as_bytes()).as_ref(), Ok(&value));
        for bytes in [&b""[..], b"s3cret", b"2024-13-45T99:99:99Z", b"2024\xff"] {
            let error = undecodable::<C>(bytes).to_string();
            assert!(error.starts_with("not ") && !error.contains("s3cret"), "{error}");
        }
    }
    is_form::<Timestamp>("2024-06-19T15:22:45.5Z");
    is_form::<Timestamp>("1969-12-31T23:59:59.999999999Z");
    is_form::<Timestamp>("-009999-01-02T01:59:59Z");
    is_form::<Date>("2024-06-19");
    is_form::<DateTime>("2024-06-19T15:22:45");
    is_form::<Time>("15:22:45.000001");
    is_form::<Date>("-009999-01-02");
    is_form::<DateTime>("-009999-01-02T01:59:59.5");
    let lost = ["2024-06-19T15:22:45", "2024-06-19 15:22", "2024-06-19T15:22:45+02:00"];
    for text in lost {
        undecodable::<Date>(text.as_bytes());
        undecodable::<Time>(text.as_bytes());
    }
    for text in [lost[2], "2024-06-19", "2024-06-19T15:22:45-02:00", "2024-06-19T15:22:45[UTC]"] {
        undecodable::<DateTime>(text.as_bytes());
    }
    let at = "2024-06-19T15:22:45.5".parse();
    assert_eq!(
        DateTime::decode(b"2024-06-19 15:22:45.500000").ok(),
        at.ok(),
        "as Python writes it"
    );
    let timestamp: Timestamp = "2024-06-19T15:22:45Z".parse().unwrap();
    assert_eq!(Timestamp::decode(b"2024-06-19T11:22:45-04:00"), Ok(timestamp), "of any offset");
}

#[test]
fn a_pointer_has_the_bytes_of_what_it_points_to() {
    fn is_transparent<C>(value: &C::Borrowed, bytes: &[u8], pointer: C::Owned)
    where
        C: Codec<Owned: Debug + PartialEq>,
    {
        assert_eq!(encoded::<C>(value), bytes);
        assert!(C::as_bytes(value).is_none_or(|borrowed| borrowed == bytes));
        assert_eq!(C::decode(bytes).as_ref(), Ok(&pointer));
        assert_eq!(C::decode_owned(bytes.to_vec()).as_ref(), Ok(&pointer));
    }
    let numbers = || vec![1, 2];
    is_transparent::<Arc<str>>("ann", b"ann", "ann".into());
    is_transparent::<Box<str>>("ann", b"ann", "ann".into());
    is_transparent::<Cow<'static, str>>("ann", b"ann", "ann".into());
    is_transparent::<Arc<[u8]>>(b"\xff", b"\xff", b"\xff"[..].into());
    is_transparent::<Box<[u8]>>(b"\xff", b"\xff", b"\xff"[..].into());
    is_transparent::<Cow<'static, [u8]>>(b"\xff", b"\xff", b"\xff"[..].into());
    is_transparent::<Arc<u64>>(&7, b"7", Arc::new(7));
    is_transparent::<Arc<Json<Vec<u8>>>>(&numbers(), b"[1,2]", Arc::new(numbers()));
    is_transparent::<Box<Json<Vec<u8>>>>(&numbers(), b"[1,2]", Box::new(numbers()));
    for error in [undecodable::<Arc<str>>(b"\xff"), undecodable::<Cow<'static, str>>(b"\xff")] {
        assert_eq!(error.to_string(), "not UTF-8 from byte 0 on");
    }
}

#[test]
fn none_is_an_empty_value_and_some_its_content() {
    for (value, bytes) in [(None, ""), (Some(0), "0"), (Some(-7), "-7")] {
        assert_eq!(text::<Option<i64>>(&value), bytes);
        assert_eq!(Option::<i64>::decode(bytes.as_bytes()), Ok(value));
    }
    let nothing = Some(None);
    assert_eq!(text::<Option<Json<Option<u8>>>>(&nothing), "null");
    assert_eq!(Option::<Json<Option<u8>>>::decode(b"null"), Ok(nothing), "is not `None`");
    undecodable::<Option<i64>>(b" ");
}

#[test]
fn a_value_without_bytes_is_not_written_as_some() {
    #[derive(Debug, PartialEq)]
    struct Nothing;

    impl Codec for Nothing {
        type Borrowed = Self;
        type Owned = Self;

        fn encode(_: &Self, _: &mut Vec<u8>) -> Result<(), CodecError> {
            Ok(())
        }

        fn decode(_: &[u8]) -> Result<Self, CodecError> {
            Ok(Nothing)
        }
    }

    impl NonEmpty for Nothing {}

    let error = unwritable::<Option<Nothing>>(&Some(Nothing));
    assert_eq!(error.to_string(), "an empty value, which would be read as `None`");
    assert_eq!(encoded::<Option<Nothing>>(&None), b"");
}
