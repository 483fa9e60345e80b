//! Types that formats decode.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// One of each kind of thing that serde knows.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Everything {
    text: String,
    number: i64,
    large: u64,
    wide: i32,
    float: f64,
    flag: bool,
    letter: char,
    maybe: Option<Box<Everything>>,
    pair: (u8, String),
    list: Vec<i32>,
    map: BTreeMap<String, Vec<u8>>,
    numbered: HashMap<u32, bool>,
    chain: Chain,
    chains: Vec<Chain>,
    nothing: (),
    bytes: Bytes,
}

impl Everything {
    pub(super) fn example() -> Self {
        Everything {
            text: "s3cr&t é".to_owned(),
            number: -5,
            large: u64::from(u32::MAX) + 1,
            list: vec![1, 2, 3],
            maybe: Some(Box::default()),
            map: BTreeMap::from([("a".to_owned(), vec![1, 2])]),
            numbered: HashMap::from([(7, true)]),
            chain: Chain::example(),
            chains: vec![Chain::End, Chain::example()],
            bytes: Bytes(b"\0\xff".to_vec()),
            ..Self::default()
        }
    }
}

/// The ways in which a type contains itself.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) enum Chain {
    #[default]
    End,
    Newtype(Box<Chain>),
    Tuple(u8, Box<Chain>),
    Struct {
        next: Option<Box<Chain>>,
    },
    List(Vec<Chain>),
    Map(BTreeMap<String, Chain>),
}

impl Chain {
    pub(super) fn example() -> Self {
        let map = Chain::Map(BTreeMap::from([("a".to_owned(), Chain::Newtype(Box::default()))]));
        let list = Chain::List(vec![Chain::Tuple(1, Box::new(map)), Chain::End]);
        Chain::Struct { next: Some(Box::new(list)) }
    }
}

/// A type as deep as its bytes say.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Nested(pub(super) Vec<Nested>);

/// A type that nothing but newtypes and options keep apart from itself.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Endless(Option<Box<Endless>>);

/// Bytes as bytes, and not as a list of numbers.
#[derive(Debug, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // JSON has no bytes.
        if serializer.is_human_readable() {
            serializer.collect_seq(&self.0)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = deserializer.deserialize_byte_buf(AnyVisitor)?;
        match any {
            Any::Bytes(bytes) => Ok(Bytes(bytes)),
            Any::List(items) => {
                let byte = |item| match item {
                    Any::Int(int) => u8::try_from(int).ok(),
                    _ => None,
                };
                let bytes = items.into_iter().map(byte).collect::<Option<_>>();
                bytes.map(Bytes).ok_or_else(|| D::Error::custom("no bytes"))
            }
            _ => Err(D::Error::custom("no bytes")),
        }
    }
}

/// Anything that bytes say of themselves.
#[derive(Debug)]
pub(super) enum Any {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Map(Vec<(Any, Any)>),
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Any::None => serializer.serialize_none(),
            Any::Bool(bool) => serializer.serialize_bool(*bool),
            Any::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => serializer.serialize_i64(int),
                (_, Ok(int)) => serializer.serialize_u64(int),
                _ => Err(serde::ser::Error::custom("an int that not all formats have")),
            },
            Any::Float(float) => serializer.serialize_f64(*float),
            Any::Text(text) => serializer.serialize_str(text),
            Any::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Any::List(items) => serializer.collect_seq(items),
            Any::Map(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

macro_rules! visit {
    ($($method:ident($type:ty): $kind:expr;)+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<Any, E> {
            Ok($kind(value.into()))
        }
    )+};
}

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    visit! {
        visit_bool(bool): Any::Bool;
        visit_i64(i64): Any::Int;
        visit_i128(i128): Any::Int;
        visit_u64(u64): Any::Int;
        visit_f64(f64): Any::Float;
        visit_str(&str): Any::Text;
        visit_bytes(&[u8]): Any::Bytes;
    }

    fn visit_none<E: Error>(self) -> Result<Any, E> {
        Ok(Any::None)
    }

    fn visit_unit<E: Error>(self) -> Result<Any, E> {
        Ok(Any::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Any, A::Error> {
        let mut items = Vec::with_capacity(access.size_hint().unwrap_or(0));
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Any::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Any, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Any::Map(entries))
    }
}
