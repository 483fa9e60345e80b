//! Every serde codec: round trips, and bytes of other programs.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::iter;

use proptest::prelude::*;
use redis_collections::{
    Bincode, Codec, CodecError, Json, Lenient, MessagePack, Pickle, PyDict, PyJson,
};
use serde::{Deserialize, Serialize};
use support::python::Python;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    text: String,
    number: i64,
    large: u64,
    float: f64,
    flag: bool,
    letter: char,
    maybe: Option<Box<Everything>>,
    pair: (u8, String),
    list: Vec<i32>,
    map: BTreeMap<String, Vec<u8>>,
    numbered: BTreeMap<u32, bool>,
    choice: Choice,
    choices: Vec<Choice>,
    nothing: (),
    wrapped: Wrapped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(i16),
    Tuple(u8, String),
    Struct { a: bool, b: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: u8,
    y: u8,
}

/// A type that nests as deep as its bytes say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

/// The ways in which a type contains itself: each nests once more for each level.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Newtype(Box<Chain>),
    Tuple(u8, Box<Chain>),
    Struct { next: Box<Chain> },
    List(Vec<Chain>),
    Map(BTreeMap<String, Chain>),
    Link(Link),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Link {
    next: Option<Box<Chain>>,
}

/// A type that nothing but newtypes and options keep apart from itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Endless(Option<Box<Endless>>);

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        Just(Choice::Unit),
        any::<i16>().prop_map(Choice::Newtype),
        (any::<u8>(), ".*").prop_map(|(number, text)| Choice::Tuple(number, text)),
        (any::<bool>(), any::<Option<u8>>()).prop_map(|(a, b)| Choice::Struct { a, b }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let scalars = (".*", any::<i64>(), any::<u64>(), -1e9..1e9, any::<bool>(), any::<char>());
    let collections = (
        (any::<u8>(), ".*"),
        proptest::collection::vec(any::<i32>(), 0..4),
        proptest::collection::btree_map(".*", proptest::collection::vec(any::<u8>(), 0..3), 0..3),
        proptest::collection::btree_map(any::<u32>(), any::<bool>(), 0..3),
        choice(),
        proptest::collection::vec(choice(), 0..3),
        ".*",
    );
    let leaf = (scalars, collections).prop_map(|(scalars, collections)| {
        let (text, number, large, float, flag, letter) = scalars;
        let (pair, list, map, numbered, choice, choices, wrapped) = collections;
        Everything {
            text,
            number,
            large,
            float,
            flag,
            letter,
            maybe: None,
            pair,
            list,
            map,
            numbered,
            choice,
            choices,
            nothing: (),
            wrapped: Wrapped(wrapped),
        }
    });
    leaf.prop_recursive(3, 4, 1, |inner| {
        (inner.clone(), inner).prop_map(|(mut outer, inner)| {
            outer.maybe = Some(Box::new(inner));
            outer
        })
    })
}

fn encoded<C: Codec>(value: &C::Borrowed) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    C::encode(value, &mut bytes).unwrap();
    assert_eq!(&bytes[..6], b"before", "what was there stays");
    bytes.split_off(6)
}

/// Runs `$check` with the name of each serde codec.
macro_rules! on_each_codec {
    ($check:ident::<$value:ty>($($argument:expr),*)) => {
        $check::<Bincode<$value>>($($argument),*);
        $check::<Json<$value>>($($argument),*);
        $check::<MessagePack<$value>>($($argument),*);
        $check::<Pickle<$value>>($($argument),*);
        $check::<PyJson<$value>>($($argument),*);
        $check::<PyDict<$value>>($($argument),*);
    };
}

fn round_trips<C: Codec<Borrowed = Everything, Owned = Everything>>(value: &Everything) {
    assert_eq!(&C::decode(&encoded::<C>(value)).unwrap(), value);
}

fn never_panics<C: Codec>(bytes: &[u8]) {
    let _ = C::decode(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_codec_round_trips_every_value(value in everything()) {
        on_each_codec!(round_trips::<Everything>(&value));
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        on_each_codec!(never_panics::<Everything>(&bytes));
        on_each_codec!(never_panics::<Nested>(&bytes));
        never_panics::<Pickle<Python>>(&bytes);
        never_panics::<PyJson<Python>>(&bytes);
        never_panics::<PyDict<Python>>(&bytes);
        never_panics::<MessagePack<Python>>(&bytes);
    }

    #[test]
    fn no_change_of_good_bytes_makes_a_codec_panic(
        value in everything(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        end in any::<prop::sample::Index>(),
    ) {
        fn spoiled<C>(value: &Everything, place: &prop::sample::Index, byte: u8, end: &prop::sample::Index)
        where
            C: Codec<Borrowed = Everything, Owned = Everything>,
        {
            let mut bytes = encoded::<C>(value);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = C::decode(&bytes);
            let _ = C::decode(&bytes[..end.index(bytes.len())]);
        }
        on_each_codec!(spoiled::<Everything>(&value, &place, byte, &end));
    }

    #[test]
    fn floats_and_ints_read_back_exactly(float in any::<f64>(), int in any::<i64>()) {
        assert_eq!(f64::decode(&encoded::<f64>(&float)).unwrap().to_bits(), float.to_bits());
        assert_eq!(PyDict::<f64>::decode(&encoded::<PyDict<f64>>(&float)).unwrap().to_bits(), float.to_bits());
        assert_eq!(PyJson::<f64>::decode(&encoded::<PyJson<f64>>(&float)).unwrap().to_bits(), float.to_bits());
        assert_eq!(PyDict::<i64>::decode(&encoded::<PyDict<i64>>(&int)).unwrap(), int);
    }
}

fn refuses<C: Codec>(bytes: &[u8]) -> String {
    refusal::<C>(bytes).to_string()
}

fn refusal<C: Codec>(bytes: &[u8]) -> CodecError {
    match C::decode(bytes) {
        Err(error) => error,
        Ok(_) => panic!("{} should be refused", bytes[..bytes.len().min(40)].escape_ascii()),
    }
}

/// A stack overflow ends the process, so it is enough that these come back.
#[test]
fn a_hundred_thousand_levels_are_refused() {
    const DEPTH: usize = 100_000;
    let nested = |open: &[u8], middle: &[u8], close: &[u8]| {
        [open.repeat(DEPTH), middle.to_vec(), close.repeat(DEPTH)].concat()
    };
    let json = nested(b"[", b"", b"]");
    refuses::<Json<Nested>>(&json);
    refuses::<PyJson<Nested>>(&json);
    refuses::<PyJson<Python>>(&nested(b"{\"a\":", b"1", b"}"));
    refuses::<PyDict<Nested>>(&[b"l", &json[..]].concat());
    refuses::<MessagePack<Nested>>(&nested(b"\x91", b"\x90", b""));
    refuses::<MessagePack<Python>>(&nested(b"\x81\xa1a", b"\xc0", b""));
    refuses::<Bincode<Nested>>(&nested(b"\x01", b"\x00", b""));
    let pickled = |open: &[u8], close: &[u8]| [nested(open, b"N", close), b".".to_vec()].concat();
    for pickle in [
        pickled(b"]", b"a"),
        pickled(b"(lp0\n", b"a"),
        pickled(b"}K\x01", b"s"),
        pickled(b"", b"\x85"),
        pickled(b"(", b"t"),
    ] {
        refuses::<Pickle<Nested>>(&pickle);
        refuses::<Pickle<Python>>(&pickle);
        refuses::<PyDict<Python>>(&[b"c", &pickle[..]].concat());
    }
}

#[test]
fn a_hundred_levels_are_read() {
    fn read<C: Codec<Borrowed = Nested, Owned = Nested>>() {
        let value = (0..100).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
        assert_eq!(C::decode(&encoded::<C>(&value)).unwrap(), value);
    }
    on_each_codec!(read::<Nested>());
}

#[test]
fn a_value_that_could_not_be_read_back_is_not_written() {
    fn chained(levels: usize, link: fn(Box<Chain>) -> Chain) -> Chain {
        (0..levels).fold(Chain::End, |inner, _| link(Box::new(inner)))
    }
    fn is_written_or_refused<C: Codec<Borrowed = Chain, Owned = Chain>>() {
        let links: [fn(Box<Chain>) -> Chain; 6] = [
            Chain::Newtype,
            |next| Chain::Tuple(1, next),
            |next| Chain::Struct { next },
            |inner| Chain::List(vec![*inner]),
            |inner| Chain::Map(BTreeMap::from([("a".to_owned(), *inner)])),
            |next| Chain::Link(Link { next: Some(next) }),
        ];
        for (index, link) in links.into_iter().enumerate() {
            let mut bytes = Vec::new();
            let most = (1..=200)
                .take_while(|&levels| {
                    let chain = chained(levels, link);
                    bytes.clear();
                    let written = C::encode(&chain, &mut bytes);
                    if written.is_ok() {
                        assert_eq!(C::decode(&bytes).unwrap(), chain, "{levels} levels");
                    }
                    written.is_ok()
                })
                .count();
            let expected: &[usize] = if index == 0 { &[127, 128] } else { &[63, 64] };
            assert!(expected.contains(&most), "{most} levels of kind {index}");
            for levels in [most + 1, 1_000] {
                let chain = chained(levels, link);
                let error = C::encode(&chain, &mut bytes).unwrap_err().to_string();
                assert!(error.contains("deep, which could not be read back"), "{error}");
            }
        }
    }
    on_each_codec!(is_written_or_refused::<Chain>());
}

#[test]
fn levels_of_enums_are_bounded_too() {
    refuses::<MessagePack<Chain>>(
        &[b"\x81\xa7Newtype".repeat(100_000), b"\xa3End".to_vec()].concat(),
    );
    refuses::<Bincode<Chain>>(&[b"\x01".repeat(100_000), b"\x00".to_vec()].concat());
    refuses::<Json<Chain>>(&[b"{\"Newtype\":".repeat(100_000), b"\"End\"".to_vec()].concat());
    refuses::<PyJson<Chain>>(&[b"{\"Newtype\":".repeat(100_000), b"\"End\"".to_vec()].concat());
}

/// Nothing is read from one level to the next, so that no format could bound them.
#[test]
fn a_type_that_never_ends_is_refused() {
    let endless = (0..10_000).fold(Endless(None), |inner, _| Endless(Some(Box::new(inner))));
    macro_rules! refused {
        ($($codec:ident: $bytes:expr;)+) => {$(
            assert!(refuses::<$codec<Endless>>($bytes).contains("deep"));
            assert!($codec::encode(&endless, &mut Vec::new()).unwrap_err().to_string().contains("deep"));
        )+};
    }
    refused! {
        Bincode: &[1; 10_000];
        Json: b"5";
        MessagePack: b"\x05";
        Pickle: b"K\x05.";
        PyJson: b"5";
        PyDict: b"i5";
    }
}

#[test]
fn a_pickle_that_doubles_itself_is_refused() {
    let mut pickle = b"]q\x00".to_vec();
    for level in 1..60 {
        pickle.extend_from_slice(&[
            b']',
            b'q',
            level,
            b'(',
            b'h',
            level - 1,
            b'h',
            level - 1,
            b'e',
        ]);
    }
    pickle.push(b'.');
    assert!(
        refuses::<Pickle<Python>>(&pickle).contains("shared parts"),
        "{}",
        refuses::<Pickle<Python>>(&pickle)
    );
}

#[test]
fn a_hundred_thousand_small_elements_are_read() {
    const LENGTH: u32 = 100_000;
    fn read<C: Codec>(value: &C::Borrowed)
    where
        C::Borrowed: Debug,
        C::Owned: Debug + PartialEq<C::Borrowed>,
    {
        assert_eq!(C::decode(&encoded::<C>(value)).unwrap(), *value);
    }
    on_each_codec!(read::<Vec<Point>>(&vec![Point { x: 1, y: 2 }; LENGTH as usize]));
    read::<Bincode<Vec<(u8, u8)>>>(&vec![(1, 2); LENGTH as usize]);
    read::<Bincode<Vec<Vec<u8>>>>(&vec![vec![]; LENGTH as usize]);
    read::<Bincode<BTreeMap<u32, (u8, u8)>>>(&(0..LENGTH).map(|n| (n, (1, 2))).collect());
    read::<Bincode<Vec<BTreeMap<u8, u8>>>>(&vec![BTreeMap::new(); LENGTH as usize]);
}

#[test]
fn a_pickle_that_contains_itself_is_refused() {
    for pickle in [&b"]q\x00h\x00a."[..], b"}q\x00K\x01h\x00s.", b"(lp0\ng0\na."] {
        assert!(refuses::<Pickle<Python>>(pickle).contains("containing itself"));
    }
}

#[test]
fn a_pickle_may_share_its_parts() {
    let read = |pickle: &[u8]| Pickle::<Python>::decode(pickle).unwrap();
    let inner = Python::List(vec![Python::List(vec![Python::Int(1)])]);
    let shared = read(b"\x80\x02]q\x00(]q\x01]q\x02K\x01aah\x01h\x02e.");
    let expected = vec![inner.clone(), inner, Python::List(vec![Python::Int(1)])];
    assert_eq!(shared, Python::List(expected));
}

#[test]
fn a_declared_length_is_not_believed() {
    refuses::<Bincode<Vec<u8>>>(b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f");
    refuses::<Bincode<Vec<()>>>(b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f");
    refuses::<Bincode<Vec<((), [u8; 0])>>>(b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f");
    refuses::<Bincode<(u8, BTreeMap<(), ()>)>>(b"\x01\xfd\xff\xff\xff\xff\xff\xff\xff\x7f");
    refuses::<Bincode<Vec<Vec<()>>>>(b"\x02\xfb\xff\xff\xfb\xff\xff");
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    struct Skipping {
        #[serde(skip)]
        cache: [u64; 16],
    }
    refuses::<Bincode<Vec<Skipping>>>(b"\xfb\xff\xff");
    let many = vec![Skipping::default(); 20_000];
    assert_eq!(
        Bincode::<Vec<Skipping>>::decode(&encoded::<Bincode<Vec<Skipping>>>(&many)).unwrap(),
        many
    );
    refuses::<Bincode<String>>(b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f");
    refuses::<MessagePack<Vec<u64>>>(b"\xdd\xff\xff\xff\xff\x01");
    refuses::<MessagePack<String>>(b"\xdb\xff\xff\xff\xffa");
    refuses::<MessagePack<BTreeMap<String, u8>>>(b"\xdf\xff\xff\xff\xff");
    refuses::<Pickle<String>>(b"\x80\x02X\xff\xff\xff\xffa.");
    refuses::<Pickle<Python>>(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffa.");
    refuses::<Pickle<Python>>(b"\x80\x02\x8b\xff\xff\xff\x7f1.");
}

#[test]
fn a_pickle_never_calls_anything() {
    for (pickle, named) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "`os.system`"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "`os.system`"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "`__builtin__.eval`"),
        (b"(i__main__\nX\n.", "`__main__.X`"),
        (b"cdatetime\ndate\n(tR.", "`datetime.date`"),
        (b"\x80\x04\x8c\x07a.b._c1\x8c\x03D.e\x93.", "`a.b._c1.D.e`"),
        (b"c\xff\n\x00\n.", "a global"),
        (b"(i\xff\n\x00\n.", "a global"),
        (b"\x80\x02P1\n.", "opcode 0x50"),
        (b"\x80\x02\x82\x01.", "opcode 0x82"),
        (b"\x80\x05\x97.", "opcode 0x97"),
        (b"N}b.", "opcode 0x62"),
        (b"(.", "a value"),
        (b"N", "ends early"),
        (b"N.N", "more bytes"),
        (b"", "ends early"),
    ] {
        let reason = refuses::<Pickle<Python>>(pickle);
        assert!(reason.contains(named), "{}: {reason}", pickle.escape_ascii());
    }
}

#[test]
fn ints_beyond_128_bits_come_as_digits() {
    let digits = "9".repeat(4300);
    for (bytes, expected) in [
        (format!("L{digits}L\n.").into_bytes(), digits.clone()),
        (
            b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01.".to_vec(),
            (u128::MAX).to_string().replace("455", "456"),
        ),
    ] {
        assert_eq!(Pickle::<String>::decode(&bytes).unwrap(), expected);
    }
    assert_eq!(PyJson::<String>::decode(digits.as_bytes()).unwrap(), digits);
    assert_eq!(PyDict::<String>::decode(format!("i{digits}").as_bytes()).unwrap(), digits);
    assert_eq!(PyDict::<u128>::decode(format!("i{}", u128::MAX).as_bytes()).unwrap(), u128::MAX);
    refuses::<PyDict<String>>(format!("i{digits}9").as_bytes());
}

#[test]
fn no_stored_value_is_shown_by_an_error() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        choice: Choice,
    }
    fn hides<C: Codec>(bytes: Vec<u8>) {
        let error = refusal::<C>(&bytes);
        for error in
            iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source())
        {
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
    let text = "s3cret".to_owned();
    let field = BTreeMap::from([("s3cret".to_owned(), 1)]);
    let variant = BTreeMap::from([("choice".to_owned(), "s3cret".to_owned())]);
    macro_rules! hides_in {
        ($($codec:ident)+) => {$(
            hides::<$codec<u32>>(encoded::<$codec<String>>(&text));
            hides::<$codec<Strict>>(encoded::<$codec<String>>(&text));
            hides::<$codec<Strict>>(encoded::<$codec<BTreeMap<String, i32>>>(&field));
            hides::<$codec<Strict>>(encoded::<$codec<BTreeMap<String, String>>>(&variant));
            hides::<$codec<std::net::IpAddr>>(encoded::<$codec<String>>(&text));
        )+};
    }
    hides_in! { Bincode Json MessagePack Pickle PyJson PyDict }
    for text in ["card s3cret\nof s3cret\n", "c\ns3cret.\n", "cs3cret\n1\n", "is3cret-1\nx\n"] {
        hides::<Pickle<Python>>(text.into());
        hides::<PyDict<Python>>(format!("c{text}").into());
    }
    hides::<Pickle<Python>>(format!("cs3cret{}\nname\n", "x".repeat(60)).into());
    let lenient = Lenient::<Json<u32>>::decode(b"\"s3cret\"").unwrap();
    assert!(!format!("{lenient:?}").contains("s3cret"));
    assert_eq!(
        encoded::<Lenient<Json<u32>>>(&lenient),
        b"\"s3cret\"",
        "it is written back as it was"
    );
}
