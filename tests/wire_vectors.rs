//! The bytes of the Python libraries, as the real ones wrote them: every case of the values of four
//! of them is decoded, encoded, or named with the reason why it cannot be.

use std::collections::BTreeMap;

use redis_collections::{
    Codec, CodecError, Deferred, Json, MessagePack, Pickle, PyDict, PyJson, RedisDict,
};
use serde_json::Value as Case;
use support::python::Python;

/// What a case shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// It is read, and written with the same bytes.
    ByteForByte,
    /// It is read.
    Read,
    /// It is refused, as Python refuses it or because it is no data.
    Refused,
    /// It has no value, or is about something else than values.
    NoValue,
    /// Python's own form of something that this crate does not write, for the reason given.
    Other(&'static str),
}

use Shown::{ByteForByte, NoValue, Other, Read, Refused};

#[test]
fn every_value_of_the_python_libraries_is_understood() {
    let file = include_str!("data/wire-vectors.json");
    let file: Case = serde_json::from_str(file).unwrap();
    let mut counts: BTreeMap<(String, Shown), usize> = BTreeMap::new();
    for case in file["cases"].as_array().unwrap() {
        let seed = text(case, "seed");
        if seed == "Cauldron.redis" {
            continue;
        }
        *counts.entry((seed.to_owned(), shown(case))).or_default() += 1;
    }
    let counted: Vec<String> =
        counts.iter().map(|((seed, shown), count)| format!("{count:4} {seed} {shown:?}")).collect();
    let total = |shown: Shown| -> usize {
        counts.iter().filter(|((_, other), _)| *other == shown).map(|(_, count)| count).sum()
    };
    println!("{}", counted.join("\n"));
    let totals = [ByteForByte, Read, Refused, NoValue].map(total);
    assert_eq!(totals, [381, 383, 123, 240], "{}", counted.join("\n"));
    assert_eq!(counts.values().sum::<usize>(), 1145, "every case is shown or has a reason");
}

fn shown(case: &Case) -> Shown {
    let id = text(case, "id");
    if case["operation"].as_str().is_some_and(|operation| operation.contains("(foreign")) {
        return foreign(case);
    }
    let (Some(codec), Some(value)) = (case["codec"].as_str(), case["python_value"].as_object())
    else {
        return NoValue;
    };
    let Some(hex) = case["value_hex"].as_str() else { return unwritten(case) };
    let (bytes, value) = (unhex(hex), Case::Object(value.clone()));
    let Some(value) = Python::from_literal(&value) else {
        return not_data(id, codec, &bytes);
    };
    match codec {
        "raw" => raw(id, &value, &bytes),
        "json" => byte_for_byte::<PyJson<Python>>(id, &value, &bytes, Python::with_text_keys),
        "msgpack" => msgpack(case, &value, &bytes),
        "i" | "f" | "s" | "l" | "d" => {
            byte_for_byte::<PyDict<Python>>(id, &value, &bytes, Python::with_text_keys)
        }
        "c-pickle" => read::<PyDict<Python>>(id, &value, &bytes),
        pickle if pickle.starts_with("pickle") => read::<Pickle<Python>>(id, &value, &bytes),
        other => panic!("{id}: unknown codec {other}"),
    }
}

/// Values that Python refused to write.
fn unwritten(case: &Case) -> Shown {
    match case["raises"].as_str() {
        Some(_) => Refused,
        None => Other("a value that the file does not have"),
    }
}

/// Dates, decimals and objects: their pickles name what they would call.
fn not_data(id: &str, codec: &str, bytes: &[u8]) -> Shown {
    let error = match codec {
        "c-pickle" => PyDict::<Python>::decode(bytes).unwrap_err(),
        pickle if pickle.starts_with("pickle") => Pickle::<Python>::decode(bytes).unwrap_err(),
        _ => return Other("half of a surrogate pair, which is no Rust text"),
    };
    assert!(error.to_string().contains("is not data and is never called"), "{id}: {error}");
    Refused
}

fn raw(id: &str, value: &Python, bytes: &[u8]) -> Shown {
    match value {
        Python::Int(int) => same::<i128>(id, int, bytes),
        Python::Float(float) => same::<f64>(id, float, bytes),
        Python::Str(text) => same::<String>(id, text, bytes),
        Python::Bytes(raw) => same::<Vec<u8>>(id, raw, bytes),
        _ => Other("redis-py 2 wrote `str(value)` of what is neither text nor a number"),
    }
}

fn same<C: Codec>(id: &str, value: &C::Owned, bytes: &[u8]) -> Shown
where
    C::Owned: std::fmt::Debug,
{
    let mut written = Vec::new();
    C::encode(std::borrow::Borrow::borrow(value), &mut written).unwrap();
    assert_eq!(show(&written), show(bytes), "{id}");
    let decoded = C::decode(bytes).unwrap();
    assert_eq!(format!("{decoded:?}"), format!("{value:?}"), "{id}");
    ByteForByte
}

/// A codec that writes what Python writes. `normal` says which values are read as equal.
fn byte_for_byte<C>(id: &str, value: &Python, bytes: &[u8], normal: fn(&Python) -> Python) -> Shown
where
    C: Codec<Borrowed = Python, Owned = Python>,
{
    let decoded = C::decode(bytes).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(normal(&decoded), normal(value), "{id}");
    let mut written = Vec::new();
    C::encode(value, &mut written).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(show(&written), show(bytes), "{id}");
    ByteForByte
}

fn read<C>(id: &str, value: &Python, bytes: &[u8]) -> Shown
where
    C: Codec<Borrowed = Python, Owned = Python>,
{
    let decoded = C::decode(bytes).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(decoded.as_read(), value.as_read(), "{id}");
    let mut again = Vec::new();
    if C::encode(&decoded, &mut again).is_ok() {
        let back = C::decode(&again).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(back.as_read(), value.as_read(), "{id}: written and read again");
    }
    Read
}

fn msgpack(case: &Case, value: &Python, bytes: &[u8]) -> Shown {
    let id = text(case, "id");
    if text(case, "python").starts_with('2') {
        let decoded = MessagePack::<Python>::decode(bytes).unwrap();
        assert_eq!(decoded.with_bytes_as_text(), value.with_bytes_as_text(), "{id}");
        return match msgpack_bytes(value) == bytes {
            true => ByteForByte,
            false => Read,
        };
    }
    byte_for_byte::<MessagePack<Python>>(id, value, bytes, Python::as_read)
}

fn msgpack_bytes(value: &Python) -> Vec<u8> {
    let mut bytes = Vec::new();
    MessagePack::encode(value, &mut bytes).unwrap();
    bytes
}

/// Bytes that another program may have left: what Python makes of them, we make of them.
fn foreign(case: &Case) -> Shown {
    let id = text(case, "id");
    let bytes = unhex(text(case, "value_hex"));
    let decoded: Result<Python, CodecError> = match text(case, "seed") {
        "redis-pydict" => PyDict::<Python>::decode(&bytes),
        _ => MessagePack::<Python>::decode(&bytes),
    };
    if case["raises"].is_string() {
        return match decoded {
            Err(_) => Refused,
            Ok(_) => Other(lenient(case)),
        };
    }
    match Python::from_literal(&case["returns"]) {
        Some(value) => {
            let decoded = decoded.unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(decoded.with_bytes_as_text(), value.with_bytes_as_text(), "{id}");
            Read
        }
        None => match decoded {
            Err(_) => Refused,
            Ok(_) => panic!("{id} should be refused: {}", case["returns"]),
        },
    }
}

/// Why we read what Python refuses.
fn lenient(case: &Case) -> &'static str {
    match text(case, "operation") {
        map_key if map_key.contains("map key") => "a map whose keys are no text: the type decides",
        _ if text(case, "raises").starts_with("UnicodeDecodeError: 'ascii'") => {
            "text of Python 2 that is not ASCII is read as bytes"
        }
        operation => panic!("{} should be refused: {operation}", text(case, "id")),
    }
}

#[test]
fn json_of_rust_is_read_by_the_codec_for_python_and_the_reverse() {
    let value = Python::List(vec![Python::Str("ü".into()), Python::Int(1), Python::None]);
    let mut json = Vec::new();
    Json::encode(&value, &mut json).unwrap();
    assert_eq!(PyJson::<Python>::decode(&json).unwrap(), value);
    let mut python = Vec::new();
    PyJson::encode(&value, &mut python).unwrap();
    assert_eq!(Json::<Python>::decode(&python).unwrap(), value);
}

/// A key is what `str(key)` gives: a program of Rust asks for that text.
#[test]
fn a_tuple_is_a_key_as_python_shows_it() {
    let file = include_str!("data/wire-vectors.json");
    let file: Case = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let tuples = cases.filter(|case| case["args"]["key"]["v"][0]["v"] == "complex");
    let keys: Vec<_> = tuples.filter_map(|case| case["key_hex"].as_str()).map(unhex).collect();
    assert!(!keys.is_empty());
    for key in keys {
        let prefix = key.strip_suffix(b"('complex', 1)").expect("the key of a tuple");
        let dict: RedisDict<String, u8, _> = RedisDict::with_prefix(&Deferred, prefix);
        let command = dict.get("('complex', 1)");
        assert_eq!(command.arguments().nth(1), Some(&key[..]));
    }
}

fn text<'a>(case: &'a Case, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("no {field} in {case}"))
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |start| u8::from_str_radix(&hex[start..start + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
