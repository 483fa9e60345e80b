//! The codecs, each with several types.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Debug;
use std::iter;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use uuid::Uuid;

use super::engine::{Memory, Target};
use super::types::{Any, Bytes, Chain, Endless, Everything, Nested};
use super::wrappers;
use crate::codec::{Codec, CodecError, short_name};
use crate::{Bincode, Json, Lenient, MessagePack, Pickle, PyDict, PyJson};

/// Takes up the codec `C`: what it decodes it must be able to decode again if it writes it.
pub(super) fn target<C>(examples: &[C::Owned], corpus: &[&[u8]], memory: Memory) -> Target
where
    C: Codec,
{
    let encode = |value: &C::Owned| {
        let mut bytes = Vec::new();
        let encoded = C::encode(std::borrow::Borrow::borrow(value), &mut bytes);
        encoded.map(|()| bytes)
    };
    let written = examples.iter().map(|example| encode(example).expect("an example"));
    let corpus = corpus.iter().map(|input| input.to_vec()).chain(written).collect();
    let decode = move |bytes: &[u8]| match C::decode(bytes) {
        Ok(value) => match encode(&value).map(|again| C::decode(&again)) {
            Ok(Err(reason)) => Err(format!("it is written, but not read back: {reason}")),
            Ok(Ok(_)) | Err(_) => Ok(true),
        },
        Err(reason) if shows_a_secret(&reason) => Err(format!("the reason repeats it: {reason}")),
        Err(_) => Ok(false),
    };
    Target { name: short_name::<C>(), corpus, decode: Box::new(decode), memory }
}

/// Whether the reason or a source of it has a text of the corpus that no type has.
fn shows_a_secret(reason: &CodecError) -> bool {
    iter::successors(Some(reason as &(dyn Error + 'static)), |&error| error.source())
        .any(|error| format!("{error} {error:?}").contains("s3cr&t"))
}

pub(super) fn targets() -> Vec<Target> {
    let mut targets = raw();
    macro_rules! with_each_type {
        ($($codec:ident: $memory:ident, $corpus:ident;)+) => {$(
            targets.extend([
                target::<$codec<Everything>>(&[Everything::example()], $corpus, $memory),
                target::<$codec<Chain>>(&[Chain::example()], $corpus, $memory),
                target::<$codec<Nested>>(&[Nested(vec![Nested(vec![]), Nested(vec![])])], $corpus, $memory),
                target::<$codec<Endless>>(&[Endless::default()], $corpus, $memory),
                target::<$codec<String>>(&["s3cr&t é".to_owned()], $corpus, $memory),
                target::<$codec<HashMap<String, BTreeSet<u64>>>>(
                    &[HashMap::from([("s3cr&t".to_owned(), BTreeSet::from([1, 2]))])],
                    $corpus,
                    $memory,
                ),
                target::<$codec<Vec<(u32, u32)>>>(&[vec![(1, 2), (3, 4)]], $corpus, $memory),
            ]);
        )+};
    }
    with_each_type! {
        Bincode: PROPORTIONAL, BINCODE;
        Json: PROPORTIONAL, JSON;
        MessagePack: PROPORTIONAL, MESSAGE_PACK;
        Pickle: WITH_COPIES, PICKLE;
        PyJson: PROPORTIONAL, JSON;
        PyDict: WITH_COPIES, PY_DICT;
    }
    targets.extend([
        target::<Bincode<Bytes>>(&[Bytes(b"\0\xff".to_vec())], BINCODE, PROPORTIONAL),
        target::<Bincode<Vec<()>>>(&[vec![(); 3]], BINCODE, PROPORTIONAL),
        target::<Json<Any>>(&[Any::None], JSON, PROPORTIONAL),
        target::<Json<serde_json::Value>>(&[serde_json::Value::Null], JSON, PROPORTIONAL),
        target::<MessagePack<Any>>(&[Any::None], MESSAGE_PACK, PROPORTIONAL),
        target::<Pickle<Any>>(&[Any::None], &with_quadratic_pickles(), WITH_COPIES),
        target::<PyJson<Any>>(&[Any::None], JSON, PROPORTIONAL),
        target::<PyDict<Any>>(&[Any::None], PY_DICT, WITH_COPIES),
        target::<Lenient<Json<Nested>>>(&[], JSON, PROPORTIONAL),
    ]);
    targets.extend(wrappers::targets());
    targets
}

/// The types that are codecs themselves.
fn raw() -> Vec<Target> {
    fn raw<C: Codec>() -> Target
    where
        C::Owned: Debug,
    {
        target::<C>(&[], RAW, PROPORTIONAL)
    }
    vec![
        raw::<String>(),
        raw::<Vec<u8>>(),
        raw::<char>(),
        raw::<bool>(),
        raw::<f64>(),
        raw::<i64>(),
        raw::<u128>(),
        raw::<SystemTime>(),
        raw::<Uuid>(),
        raw::<Timestamp>(),
        raw::<Date>(),
        raw::<DateTime>(),
        raw::<Time>(),
    ]
}

/// Pickles that decode to None, after they have copied one part as often as they have room for.
fn with_quadratic_pickles() -> Vec<&'static [u8]> {
    fn repeated(head: &[u8], argument: &[u8], size: usize) -> Vec<u8> {
        let calls = (size - head.len() - argument.len()) / 5;
        let calls = b"h\0h\x01R".repeat(calls);
        [head, argument, b"\x85q\x01(", &calls, b"1N."].concat()
    }
    let mut inputs = PICKLE.to_vec();
    for size in [4096, 100_000] {
        let big = size / 2;
        let length = u32::try_from(big).expect("a length").to_le_bytes();
        let bytes = [b"B", &length[..], &b"x".repeat(big)].concat();
        let text = [b"X", &length[..], &b"x".repeat(big)].concat();
        let list = [b"](", &b"N".repeat(big)[..], b"e"].concat();
        let pairs = [b"](", &b"NN\x86".repeat(big / 3)[..], b"e"].concat();
        inputs.extend([
            repeated(b"\x80\x03cbuiltins\nbytes\nq\0", &bytes, size).leak() as &[u8],
            repeated(b"\x80\x02c__builtin__\nset\nq\0", &list, size).leak(),
            repeated(b"\x80\x02ccollections\nOrderedDict\nq\0", &pairs, size).leak(),
            repeated(
                b"\x80\x02c_codecs\nencode\nq\0",
                &[&text, &b"X\x06\0\0\0latin1\x86"[..]].concat(),
                size,
            )
            .leak(),
        ]);
    }
    inputs
}

/// A byte may stand for a map of one entry, which takes a node for eleven.
pub(super) const PROPORTIONAL: Memory = Memory { flat: 16 << 10, per_byte: 400 };

/// What a pickle shares may be copied: 64 times its length and 1 MiB, from which larger things of a
/// type are made.
const WITH_COPIES: Memory = Memory { flat: 6 << 20, per_byte: 800 };

const RAW: &[&[u8]] = &[
    b"1",
    b"-7",
    b"1e300",
    b"true",
    "é".as_bytes(),
    b"inf",
    b"s3cr&t",
    b"1718810565500",
    b"67e55044-10b1-426f-9247-bb680e5fe0c8",
    b"2024-06-19T11:22:45.5-04:00",
    b"-009999-01-02",
    b"15:22:45",
];

const BINCODE: &[&[u8]] = &[
    b"\xfc\0\0\0\x1f",
    b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x02\xfb\xff\xff\xfb\xff\xff",
    b"\x01\x01\x01\x01\0",
    b"\xfb\xff\xff\x05s3cr&t",
];

pub(super) const JSON: &[&[u8]] = &[
    b"5",
    b"[[[[[[[[]]]]]]]]",
    br#"{"a": {"b": [1, -2.5e300, null, true, "\u00e9\ud83d\ude00\n"]}, "a": NaN}"#,
    br#"{"Newtype": {"Newtype": "End"}}"#,
    br#"{"s3cr&t": "s3cr&t"}"#,
    b"100000000000000000000000000000000000000000",
    b"-Infinity",
];

const MESSAGE_PACK: &[&[u8]] = &[
    b"\x05",
    b"\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff\x01",
    b"\xdb\xff\xff\xff\xffa",
    b"\xc6\xff\xff\xff\xffa",
    b"\x81\xa7Newtype\x81\xa7Newtype\xa3End",
    b"\xa6s3cr&t",
    b"\xc7\x04\x01abcd",
];

const PICKLE: &[&[u8]] = &[
    b"N.",
    b"K\x05.",
    b"]q\0h\0a.",
    b"}q\0K\x01h\0s.",
    b"(lp0\ng0\na.",
    b"\x80\x02]q\0(]q\x01]q\x02K\x01aah\x01h\x02e.",
    b"]q\0(NNe]q\x01(h\0h\0e]q\x02(h\x01h\x01e]q\x03(h\x02h\x02e.",
    b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x06s3cr&t\x94\x8c\x01b\x94\x93.",
    b"c__builtin__\nset\n((lp0\nI1\naI2\natR.",
    b"\x80\x03c_codecs\nencode\nX\x01\0\0\0aX\x06\0\0\0latin1\x86R.",
    b"\x80\x02ccollections\nOrderedDict\n]]K\x01K\x02\x86aa\x85R.",
    b"\x80\x05\x8f(K\x01K\x02\x90\x96\x01\0\0\0\0\0\0\0a.",
    b"L123456789012345678901234567890123456789012345678901234567890L\n.",
    b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01.",
    b"V\\u00e9\\U0001f600\n.",
    b"S'a\\x00\\n\\101'\n.",
    b"card s3cr&t\nmore s3cr&t\n",
    b"card 4111 s3cr&t",
    b"is3cr&t\ns3cr&t\n.",
];

const PY_DICT: &[&[u8]] = &[
    b"n",
    b"i1_000",
    b"f-1.5e300",
    b"ss3cr&t",
    b"l[1, [2, null]]",
    br#"d{"s3cr&t": {"b": [1]}}"#,
    b"c\x80\x02]q\0(K\x01N\x88e.",
    b"card s3cr&t\nmore s3cr&t\n",
    b"i5",
];
