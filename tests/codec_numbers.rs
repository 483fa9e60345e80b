//! Numbers beyond the usual ones, and values that a format cannot keep, in every serde codec.

use std::collections::BTreeMap;
use std::fmt::Debug;

use redis_collections::{Bincode, Codec, CodecError, Json, MessagePack, Pickle, PyDict, PyJson};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use support::python::Python;

fn encoded<C: Codec>(value: &C::Borrowed) -> Vec<u8> {
    let mut bytes = Vec::new();
    C::encode(value, &mut bytes).unwrap();
    bytes
}

fn decoded<C: Codec>(bytes: &[u8]) -> C::Owned {
    C::decode(bytes).unwrap_or_else(|error| panic!("{}: {error}", bytes.escape_ascii()))
}

fn unreadable<C: Codec>(bytes: &[u8]) {
    assert!(C::decode(bytes).is_err(), "{} should be refused", bytes.escape_ascii());
}

fn unwritable<C: Codec>(value: &C::Borrowed) -> String {
    let written: Result<(), CodecError> = C::encode(value, &mut Vec::new());
    written.expect_err("a value that cannot be read back").to_string()
}

/// Ints as Python writes them, and the floats that `float(int)` gives for them.
const INTS_AS_FLOATS: [(&str, f64); 6] = [
    ("5", 5.0),
    ("9223372036854775808", 9223372036854775808.0),
    ("18446744073709551616", 18446744073709551616.0),
    ("-18446744073709551616", -18446744073709551616.0),
    ("100000000000000000000", 1e20),
    ("1606938044258990275541962092341162602522202993782792835301376", 1.6069380442589903e60),
];

#[test]
fn an_int_of_any_size_is_read_as_a_float() {
    for (digits, float) in INTS_AS_FLOATS {
        assert_eq!(decoded::<Json<f64>>(digits.as_bytes()), float, "{digits}");
        assert_eq!(decoded::<PyJson<f64>>(digits.as_bytes()), float, "{digits}");
        assert_eq!(decoded::<PyDict<f64>>(format!("i{digits}").as_bytes()), float, "{digits}");
        assert_eq!(decoded::<Pickle<f64>>(format!("L{digits}L\n.").as_bytes()), float, "{digits}");
        let key = format!("{{\"{digits}\": {digits}}}");
        let floats = decoded::<PyJson<BTreeMap<Float, f64>>>(key.as_bytes());
        assert_eq!(floats, BTreeMap::from([(Float(float.to_string()), float)]));
    }
    let beyond = "9".repeat(400);
    unreadable::<PyJson<f64>>(beyond.as_bytes());
    unreadable::<PyJson<Value>>(beyond.as_bytes());
}

/// The key of a map that is read as a float.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Float(String);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|float| Float(float.to_string()))
    }
}

#[test]
fn a_value_of_any_type_is_read_with_wide_ints_as_floats() {
    for (digits, float) in INTS_AS_FLOATS.into_iter().skip(2) {
        let json = format!("{{\"wide\": [{digits}], \"narrow\": 18446744073709551615}}");
        let expected = json!({"wide": [float], "narrow": u64::MAX});
        assert_eq!(decoded::<Json<Value>>(json.as_bytes()), expected);
        assert_eq!(decoded::<PyJson<Value>>(json.as_bytes()), expected);
        assert_eq!(decoded::<PyDict<Value>>(format!("d{json}").as_bytes()), expected);
        let pickle = format!("(lL{digits}L\na.");
        assert_eq!(decoded::<Pickle<Value>>(pickle.as_bytes()), json!([float]));
    }
}

#[test]
fn a_wide_int_stays_exact_where_the_type_has_room() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        exact: i128,
        any: Value,
    }
    let json = br#"{"exact": 100000000000000000001, "any": 100000000000000000001}"#;
    let both = decoded::<PyJson<Both>>(json);
    assert_eq!(both, Both { exact: 100_000_000_000_000_000_001, any: json!(1e20) });
    assert_eq!(decoded::<PyJson<Python>>(b"[100000000000000000001]"), {
        Python::List(vec![Python::Int(100_000_000_000_000_000_001)])
    });

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Float(f64),
        Text(String),
    }
    assert_eq!(decoded::<PyJson<Untagged>>(b"100000000000000000000"), Untagged::Float(1e20));
}

#[test]
fn an_int_is_written_as_one_whatever_its_type() {
    fn alike<Narrow, Wide, Unsigned>()
    where
        Narrow: Codec<Borrowed = i64>,
        Wide: Codec<Borrowed = i128, Owned = i128>,
        Unsigned: Codec<Borrowed = u128, Owned = u128>,
    {
        for int in [0, 1, 5, 127, 128, 255, 256, 65_535, 65_536, i64::from(i32::MAX), i64::MAX] {
            let bytes = encoded::<Narrow>(&int);
            assert_eq!(encoded::<Wide>(&int.into()), bytes, "{int}");
            assert_eq!(encoded::<Unsigned>(&int.unsigned_abs().into()), bytes, "{int}");
            assert_eq!(decoded::<Wide>(&bytes), int.into());
        }
        for int in [-1, -128, -129, i64::from(i32::MIN), i64::MIN] {
            assert_eq!(encoded::<Wide>(&int.into()), encoded::<Narrow>(&int), "{int}");
        }
        for int in [u64::MAX.into(), 1 << 100, i128::MAX, i128::MIN] {
            assert_eq!(decoded::<Wide>(&encoded::<Wide>(&int)), int);
        }
        assert_eq!(decoded::<Unsigned>(&encoded::<Unsigned>(&u128::MAX)), u128::MAX);
    }
    alike::<Json<i64>, Json<i128>, Json<u128>>();
    alike::<PyJson<i64>, PyJson<i128>, PyJson<u128>>();
    alike::<PyDict<i64>, PyDict<i128>, PyDict<u128>>();
    alike::<Pickle<i64>, Pickle<i128>, Pickle<u128>>();
    alike::<MessagePack<i64>, MessagePack<i128>, MessagePack<u128>>();
    assert_eq!(encoded::<Pickle<i128>>(&(1 << 64)), b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.");
    assert_eq!(encoded::<MessagePack<Option<i128>>>(&Some(5)), b"\x05");
}

/// Python 2.7's `json.dumps({True: 2})` gives `True`; with options, such as `sort_keys`, `true`.
#[test]
fn keys_that_are_booleans_are_read_in_the_spelling_of_each_python() {
    for (yes, no) in [("True", "False"), ("true", "false")] {
        let json = format!("{{\"{yes}\": 2, \"{no}\": 3}}");
        let expected = BTreeMap::from([(true, 2), (false, 3)]);
        assert_eq!(decoded::<PyJson<BTreeMap<bool, u8>>>(json.as_bytes()), expected);
        assert_eq!(decoded::<PyDict<BTreeMap<bool, u8>>>(format!("d{json}").as_bytes()), expected);
    }
    unreadable::<PyJson<BTreeMap<bool, u8>>>(b"{\"TRUE\": 2}");
    assert_eq!(
        encoded::<PyJson<BTreeMap<bool, u8>>>(&BTreeMap::from([(true, 2)])),
        b"{\"true\": 2}"
    );
}

/// A pickle keeps None and the text `null` apart.
#[test]
fn null_keys_round_trip() {
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Unit;
    fn kept<C: Codec<Borrowed = T, Owned = T>, T: Debug + PartialEq>(value: T) {
        assert_eq!(decoded::<C>(&encoded::<C>(&value)), value);
    }
    type Texts = BTreeMap<Option<String>, u8>;
    let texts = BTreeMap::from([(Some("null".to_owned()), 1), (None, 2)]);
    kept::<Pickle<Texts>, _>(texts.clone());
    kept::<MessagePack<Texts>, _>(texts.clone());
    kept::<Bincode<Texts>, _>(texts.clone());
    let text = BTreeMap::from([(Some("null".to_owned()), 1)]);
    for decoded in [
        decoded::<PyJson<Texts>>(&encoded::<PyJson<Texts>>(&text)),
        decoded::<PyDict<Texts>>(&encoded::<PyDict<Texts>>(&text)),
    ] {
        assert_eq!(decoded, BTreeMap::from([(None, 1)]), "keys of JSON are all text");
    }
    assert_eq!(encoded::<PyJson<BTreeMap<(), u8>>>(&BTreeMap::from([((), 1)])), b"{\"null\": 1}");
    kept::<PyJson<BTreeMap<(), u8>>, _>(BTreeMap::from([((), 1)]));
    kept::<PyJson<BTreeMap<Unit, u8>>, _>(BTreeMap::from([(Unit, 1)]));
    kept::<PyDict<BTreeMap<Option<Unit>, u8>>, _>(BTreeMap::from([(None, 1)]));
    kept::<PyDict<BTreeMap<Unit, u8>>, _>(BTreeMap::from([(Unit, 1)]));
    kept::<Pickle<BTreeMap<Unit, u8>>, _>(BTreeMap::from([(Unit, 1)]));
    unreadable::<PyJson<BTreeMap<(), u8>>>(b"{\"None\": 1}");
    unwritable::<Json<BTreeMap<(), u8>>>(&BTreeMap::from([((), 1)]));
}

/// `Vec<u8>` would be written as numbers where the bytes were.
#[test]
fn bytes_are_not_read_as_numbers() {
    fn refused<C: Codec>(bytes: &[u8]) {
        let reason = C::decode(bytes).err().expect("bytes are no sequence").to_string();
        assert!(reason.contains("serde_bytes"), "{reason}");
    }
    let bytes = Python::Bytes(b"\x01\xff".to_vec());
    let message = encoded::<MessagePack<Python>>(&bytes);
    assert_eq!(message, b"\xc4\x02\x01\xff");
    refused::<MessagePack<Vec<u8>>>(&message);
    refused::<MessagePack<[u8; 2]>>(&message);
    refused::<MessagePack<Option<Vec<u8>>>>(&message);
    refused::<Pickle<Vec<u8>>>(&encoded::<Pickle<Python>>(&bytes));
    refused::<PyDict<Vec<u8>>>(&encoded::<PyDict<Python>>(&bytes));
    assert_eq!(decoded::<MessagePack<Python>>(&message), bytes);
    assert_eq!(decoded::<Pickle<Python>>(&encoded::<Pickle<Python>>(&bytes)), bytes);
    assert_eq!(encoded::<MessagePack<Vec<u8>>>(&vec![1, 2]), b"\x92\x01\x02");
    assert_eq!(decoded::<MessagePack<Vec<u8>>>(b"\x92\x01\x02"), [1, 2]);
    assert_eq!(decoded::<MessagePack<(u8, String)>>(b"\x92\x01\xa1a"), (1, "a".to_owned()));
}

/// `Some(None)` and `None` are one in formats without kinds of their own for them: see
/// docs/codecs-and-python.md.
#[test]
fn an_option_of_an_option_keeps_its_kind_only_in_bincode() {
    type Twice = Option<Option<u8>>;
    fn read<C: Codec<Borrowed = Twice, Owned = Twice>>(value: Twice) -> Twice {
        decoded::<C>(&encoded::<C>(&value))
    }
    assert_eq!(read::<Bincode<Twice>>(Some(None)), Some(None));
    for read in [
        read::<Json<Twice>>,
        read::<MessagePack<Twice>>,
        read::<Pickle<Twice>>,
        read::<PyJson<Twice>>,
        read::<PyDict<Twice>>,
    ] {
        assert_eq!((read(Some(None)), read(Some(Some(1)))), (None, Some(Some(1))));
    }
    type Nothing = (Option<()>, Option<Value>, Option<Wrapped>);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Wrapped(());
    fn nothing<C: Codec<Borrowed = Nothing, Owned = Nothing>>() {
        let some = (Some(()), Some(Value::Null), Some(Wrapped(())));
        assert_eq!(decoded::<C>(&encoded::<C>(&some)), (None, None, None));
    }
    nothing::<Json<Nothing>>();
    nothing::<MessagePack<Nothing>>();
    nothing::<Pickle<Nothing>>();
    nothing::<PyJson<Nothing>>();
    nothing::<PyDict<Nothing>>();
    assert_eq!(
        decoded::<Bincode<Option<()>>>(&encoded::<Bincode<Option<()>>>(&Some(()))),
        Some(())
    );
}

#[test]
fn what_json_could_not_read_back_is_not_written() {
    const REASON: &str = "NaN or an infinity, which the format could not read back";
    #[derive(Serialize, Deserialize)]
    enum Reading {
        Plain(f64),
        Narrow { value: f32 },
        Pair(u8, f64),
    }
    #[derive(Serialize, Deserialize)]
    struct Wrapped(f64);

    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(unwritable::<Json<f64>>(&float), REASON);
        assert_eq!(unwritable::<Json<f32>>(&(float as f32)), REASON);
        assert_eq!(unwritable::<Json<Option<f64>>>(&Some(float)), REASON);
        assert_eq!(unwritable::<Json<Vec<f64>>>(&vec![1.0, float]), REASON);
        assert_eq!(unwritable::<Json<(u8, f64)>>(&(1, float)), REASON);
        assert_eq!(unwritable::<Json<Wrapped>>(&Wrapped(float)), REASON);
        let narrow = Reading::Narrow { value: float as f32 };
        for reading in [Reading::Plain(float), narrow, Reading::Pair(1, float)] {
            assert_eq!(unwritable::<Json<Reading>>(&reading), REASON);
        }
        let map = BTreeMap::from([("a".to_owned(), Some(float))]);
        assert_eq!(unwritable::<Json<BTreeMap<String, Option<f64>>>>(&map), REASON);

        fn kept<C: Codec<Borrowed = Option<f64>, Owned = Option<f64>>>(float: f64) {
            let read = decoded::<C>(&encoded::<C>(&Some(float))).unwrap();
            assert!(read == float || read.is_nan() && float.is_nan());
        }
        kept::<MessagePack<Option<f64>>>(float);
        kept::<Bincode<Option<f64>>>(float);
        kept::<Pickle<Option<f64>>>(float);
        kept::<PyJson<Option<f64>>>(float);
        kept::<PyDict<Option<f64>>>(float);
    }
    assert_eq!(encoded::<Json<f64>>(&f64::MAX), b"1.7976931348623157e+308");
}

/// The form of a `serde_json::Number` if any crate of the program enables `arbitrary_precision`.
#[derive(Debug)]
struct Number(&'static str);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        marked(serializer, "$serde_json::private::Number", self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("only written"))
    }
}

/// The form of a `serde_json::value::RawValue`.
#[derive(Debug)]
struct Raw(&'static str);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        marked(serializer, "$serde_json::private::RawValue", self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> serde::de::Visitor<'de> for Entry {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let entry = map.next_entry::<String, String>()?.expect("an entry");
                assert_eq!(entry.0, "$serde_json::private::RawValue");
                Ok(Raw(entry.1.leak()))
            }
        }
        deserializer.deserialize_newtype_struct("$serde_json::private::RawValue", Entry)
    }
}

fn marked<S: Serializer>(serializer: S, name: &'static str, text: &str) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct(name, 1)?;
    fields.serialize_field(name, text)?;
    fields.end()
}

#[test]
fn a_number_of_serde_json_is_written_as_a_number() {
    for (text, value) in [
        ("1", json!(1)),
        ("-1", json!(-1)),
        ("18446744073709551615", json!(u64::MAX)),
        ("0.5", json!(0.5)),
        ("1E3", json!(1000.0)),
    ] {
        let list = vec![Number(text)];
        let expected = json!([value]);
        assert_eq!(decoded::<PyJson<Value>>(&encoded::<PyJson<Vec<Number>>>(&list)), expected);
        assert_eq!(decoded::<PyDict<Value>>(&encoded::<PyDict<Vec<Number>>>(&list)), expected);
        assert_eq!(decoded::<Pickle<Value>>(&encoded::<Pickle<Vec<Number>>>(&list)), expected);
        let bytes = encoded::<MessagePack<Vec<Number>>>(&list);
        assert_eq!(decoded::<MessagePack<Value>>(&bytes), expected);
        assert_eq!(encoded::<PyDict<Number>>(&Number("7")), b"i7");
    }
    let wide = Number("100000000000000000000");
    assert_eq!(encoded::<PyJson<Number>>(&wide), b"100000000000000000000");
    assert_eq!(decoded::<Pickle<i128>>(&encoded::<Pickle<Number>>(&wide)), 10i128.pow(20));
    unwritable::<MessagePack<Number>>(&wide);
    for codec in [unwritable::<PyJson<Number>>, unwritable::<MessagePack<Number>>] {
        codec(&Number("1e400"));
        codec(&Number("s3cret"));
    }
    unwritable::<Bincode<Number>>(&Number("1"));
}

#[test]
fn raw_json_is_written_as_its_value_or_refused() {
    let raw = Raw(r#"{"a": [1, null]}"#);
    assert_eq!(encoded::<PyJson<Raw>>(&raw), raw.0.as_bytes());
    assert_eq!(decoded::<PyJson<Raw>>(raw.0.as_bytes()).0, raw.0);
    assert_eq!(encoded::<PyDict<Raw>>(&raw), [b"d", raw.0.as_bytes()].concat());
    let pickle = encoded::<Pickle<Raw>>(&raw);
    assert_eq!(decoded::<Pickle<Value>>(&pickle), json!({"a": [1, null]}));
    assert_eq!(decoded::<Pickle<Raw>>(&pickle).0, raw.0);
    unwritable::<MessagePack<Raw>>(&raw);
    unwritable::<Bincode<Raw>>(&raw);
    unwritable::<PyJson<Raw>>(&Raw("[1,"));
}

#[test]
fn a_number_that_an_f32_has_no_room_for_is_not_infinite() {
    fn checked<Wide, Narrow>()
    where
        Wide: Codec<Borrowed = Vec<f64>>,
        Narrow: Codec<Owned = Vec<f32>>,
        Narrow::Owned: Debug,
    {
        let read = |float: f64| Narrow::decode(&encoded::<Wide>(&vec![float]));
        assert_eq!(read(0.1).unwrap(), [0.1]);
        assert_eq!(read(f64::from(f32::MAX)).unwrap(), [f32::MAX]);
        assert_eq!(read(1e-300).unwrap(), [0.0]);
        for float in [1e300, -1e300, 3.5e38] {
            assert!(read(float).is_err(), "{float}");
        }
    }
    checked::<Json<Vec<f64>>, Json<Vec<f32>>>();
    checked::<PyJson<Vec<f64>>, PyJson<Vec<f32>>>();
    checked::<PyDict<Vec<f64>>, PyDict<Vec<f32>>>();
    checked::<Pickle<Vec<f64>>, Pickle<Vec<f32>>>();
    checked::<MessagePack<Vec<f64>>, MessagePack<Vec<f32>>>();
    unreadable::<PyJson<f32>>("9".repeat(40).as_bytes());
    unreadable::<Json<f64>>(b"1e400");
    assert_eq!(decoded::<PyJson<f64>>(b"1e400"), f64::INFINITY, "as Python reads it");
    assert_eq!(decoded::<PyJson<f32>>(b"-1e400"), f32::NEG_INFINITY);
    assert_eq!(decoded::<PyJson<Value>>(b"[1e400]"), json!([null]));
    assert_eq!(decoded::<PyDict<f64>>(b"f1e400"), f64::INFINITY);
    assert_eq!(decoded::<Pickle<f64>>(b"F1e400\n."), f64::INFINITY);
    assert_eq!(decoded::<f64>(b"1e400"), f64::INFINITY);
    assert_eq!(decoded::<PyJson<f32>>(b"-Infinity"), f32::NEG_INFINITY);
    assert_eq!(
        decoded::<MessagePack<f32>>(&encoded::<MessagePack<f64>>(&f64::INFINITY)),
        f32::INFINITY
    );
}

#[test]
fn bincode_refuses_to_write_values_that_it_cannot_read_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Circle { radius: u8 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Circle { radius: u8 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u8>,
        second: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum SparseVariant {
        Struct {
            #[serde(skip_serializing_if = "Option::is_none")]
            first: Option<u8>,
        },
    }
    let reason = unwritable::<Bincode<Tagged>>(&Tagged::Circle { radius: 3 });
    assert!(reason.contains("read it back") && reason.contains("names"), "{reason}");
    unwritable::<Bincode<Adjacent>>(&Adjacent::Circle { radius: 3 });
    unwritable::<Bincode<Untagged>>(&Untagged::Number(3));
    unwritable::<Bincode<Value>>(&json!({"a": 1}));
    unwritable::<Bincode<Vec<()>>>(&vec![(); 100_000]);
    let reason = unwritable::<Bincode<Vec<Sparse>>>(&vec![Sparse { first: None, second: 1 }]);
    assert!(reason.contains("left out"), "{reason}");
    unwritable::<Bincode<SparseVariant>>(&SparseVariant::Struct { first: None });

    let whole = Sparse { first: Some(1), second: 2 };
    assert_eq!(decoded::<Bincode<Sparse>>(&encoded::<Bincode<Sparse>>(&whole)), whole);
}

/// A field skipped or renamed in one direction only shifts those after it.
#[test]
fn bincode_refuses_values_that_it_would_read_back_as_others() {
    macro_rules! type_with {
        ($($item:item)+) => {$(
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            $item
        )+};
    }
    type_with! {
        enum Skipped { First, #[serde(skip)] Unknown, Closed, Open }
        enum NeverRead { #[serde(skip_deserializing)] Unknown, Closed, Open }
        enum Balanced { #[serde(skip)] Unknown, #[serde(alias = "shut")] Closed, Open, Broken }
        enum Aliased { #[serde(alias = "a", alias = "z")] First, #[serde(alias = "b")] Second(u8), Third }
        enum Renamed { #[serde(rename(serialize = "Second", deserialize = "First"))] First, #[serde(rename(serialize = "First", deserialize = "Second"))] Second }
        enum Content {
            Newtype(#[serde(skip_serializing, default)] Vec<u8>),
            Tuple(#[serde(skip_serializing_if = "Vec::is_empty", default)] Vec<u8>, Vec<Vec<u8>>),
            Struct { #[serde(skip_serializing, default)] cache: Vec<u8>, parts: Vec<Vec<u8>> },
        }
        struct Row { #[serde(skip_serializing, default)] cache: Vec<u8>, parts: Vec<Vec<u8>> }
        struct Pair(#[serde(skip_serializing_if = "Vec::is_empty")] Vec<u8>, #[serde(default)] Vec<Vec<u8>>);
        struct Crossed { #[serde(skip_serializing, default)] a: u8, #[serde(skip_deserializing)] b: u8 }
        struct Kept { #[serde(skip)] cache: u8, #[serde(alias = "x", alias = "y")] a: u8, b: (u8, Skipped) }
        struct AsPair { a: u8, b: Box<Option<Kept>> }
        struct Signed(#[serde(serialize_with = "as_signed")] u64);
        struct Text(#[serde(serialize_with = "as_text")] Vec<u64>);
        struct Bytes(#[serde(serialize_with = "as_bytes")] Vec<u8>, #[serde(deserialize_with = "from_bytes")] Vec<u8>);
    }
    fn as_signed<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*number as i64)
    }
    fn as_text<S: Serializer>(numbers: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&numbers.len())
    }
    fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }
    fn from_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
    fn refused<T: Serialize + serde::de::DeserializeOwned + Send + 'static>(value: T) {
        let reason = unwritable::<Bincode<T>>(&value);
        assert!(reason.contains("could not read it back"), "{reason}");
        unwritable::<Bincode<Vec<T>>>(&vec![value]);
    }
    fn kept<T>(value: T)
    where
        T: Serialize + serde::de::DeserializeOwned + Send + PartialEq + Debug + 'static,
    {
        assert_eq!(decoded::<Bincode<T>>(&encoded::<Bincode<T>>(&value)), value);
    }
    let parts = || vec![vec![], vec![0]];

    unwritable::<Bincode<(Skipped, Balanced)>>(&(Skipped::Unknown, Balanced::Unknown));
    refused(Skipped::Closed);
    refused(Skipped::Open);
    refused(NeverRead::Unknown);
    refused(NeverRead::Closed);
    refused(vec![(1, NeverRead::Closed)]);
    refused(Balanced::Open);
    refused(Renamed::First);
    refused((Content::Newtype(vec![]), 0u8));
    refused(Content::Tuple(vec![], parts()));
    refused(Content::Struct { cache: vec![], parts: parts() });
    refused(Row { cache: vec![], parts: parts() });
    refused(Some(Pair(vec![], parts())));
    refused(Crossed { a: 1, b: 2 });
    refused(Signed(5));
    refused(Text(vec![5]));

    kept(Skipped::First);
    kept((Bytes(vec![1, 2], b"text".to_vec()), -5i8, 'a', 0.5f32, 1u128 << 100, -1i128));
    kept(vec![Aliased::First, Aliased::Second(5), Aliased::Third]);
    kept(Pair(vec![1], parts()));
    let row = Kept { cache: 0, a: 1, b: (2, Skipped::First) };
    kept(AsPair { a: 1, b: Box::new(Some(row)) });
    kept(BTreeMap::from([(std::net::IpAddr::from([1, 2, 3, 4]), Ok::<u8, ()>(1))]));
    kept((std::ops::Bound::Included(1u8), std::time::Duration::from_secs(1), [(); 3], [1u8; 3]));
}

/// A value that serde buffers before it knows the type cannot be read as some types. README says
/// so.
#[test]
fn values_that_serde_buffers_lack_some_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Wide { int: i128 },
        Keyed { by_row: BTreeMap<u8, u8> },
        Flagged { by_flag: BTreeMap<bool, u8> },
        Narrow { float: f32 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wide {
        int: u128,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        wide: Option<Wide>,
    }
    fn lost<C: Codec<Borrowed = Tagged>>(value: Tagged) {
        unreadable::<C>(&encoded::<C>(&value));
    }
    fn read<C: Codec<Borrowed = T, Owned = T>, T>(value: T) -> T {
        decoded::<C>(&encoded::<C>(&value))
    }
    macro_rules! on_each {
        ($($codec:ident)+) => {$(
            lost::<$codec<Tagged>>(Tagged::Wide { int: 5 });
            let flat = Flat { id: 1, wide: Some(Wide { int: 5 }) };
            assert_eq!(read::<$codec<Flat>, Flat>(flat), Flat { id: 1, wide: None });
        )+};
    }
    on_each!(Json PyJson PyDict Pickle MessagePack);
    macro_rules! on_texts {
        ($($codec:ident)+) => {$(
            lost::<$codec<Tagged>>(Tagged::Keyed { by_row: BTreeMap::from([(1, 2)]) });
            lost::<$codec<Tagged>>(Tagged::Flagged { by_flag: BTreeMap::from([(true, 2)]) });
        )+};
    }
    on_texts!(Json PyJson PyDict);
    for tagged in [
        decoded::<Json<Tagged>>(br#"{"kind": "Narrow", "float": 1e39}"#),
        decoded::<PyJson<Tagged>>(br#"{"kind": "Narrow", "float": 1e39}"#),
    ] {
        assert_eq!(tagged, Tagged::Narrow { float: f32::INFINITY });
    }
    let keyed = || Tagged::Keyed { by_row: BTreeMap::from([(1, 2)]) };
    assert_eq!(read::<Pickle<Tagged>, _>(keyed()), keyed());
    assert_eq!(read::<MessagePack<Tagged>, _>(keyed()), keyed());
}

#[test]
fn a_field_that_a_tuple_skips_shifts_the_others_but_in_bincode() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Pair(#[serde(skip_serializing_if = "Vec::is_empty")] Vec<u8>, #[serde(default)] Vec<u8>);
    fn read<C: Codec<Borrowed = Pair, Owned = Pair>>() -> Pair {
        decoded::<C>(&encoded::<C>(&Pair(vec![], vec![1])))
    }
    unwritable::<Bincode<Pair>>(&Pair(vec![], vec![1]));
    for pair in [
        read::<Json<Pair>>(),
        read::<MessagePack<Pair>>(),
        read::<Pickle<Pair>>(),
        read::<PyJson<Pair>>(),
        read::<PyDict<Pair>>(),
    ] {
        assert_eq!(pair, Pair(vec![1], vec![]));
    }
}
