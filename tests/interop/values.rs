//! Python's types, as its source has them and as they are here.

use support::python::Python::{self, Bool, Bytes, Dict, Float, Int, List, None, Str, Tuple};

/// What the library of every kind of value takes.
pub(crate) fn common() -> Vec<(&'static str, Python)> {
    vec![
        ("None", None),
        ("True", Bool(true)),
        ("False", Bool(false)),
        ("0", Int(0)),
        ("-7", Int(-7)),
        ("-9223372036854775808", Int(i64::MIN.into())),
        ("18446744073709551615", Int(u64::MAX.into())),
        ("1.5", Float(1.5)),
        ("-0.0", Float(-0.0)),
        ("1e16", Float(1e16)),
        ("5e-324", Float(5e-324)),
        ("inf", Float(f64::INFINITY)),
        ("-inf", Float(f64::NEG_INFINITY)),
        ("nan", Float(f64::NAN)),
        ("''", text("")),
        ("'i12'", text("i12")),
        ("'\\n\\x00\\x7f \"\\\\ ü \u{1f600}'", text("\n\0\u{7f} \"\\ ü \u{1f600}")),
        ("[]", List(vec![])),
        ("[1, 2.0, 'a', None, [True]]", nested_list()),
        ("{}", Dict(vec![])),
        ("{'b': 1, 'a': {'ü': [None]}}", nested_dict()),
    ]
}

/// Bytes and tuples, which JSON does not have.
pub(crate) fn beyond_json() -> Vec<(&'static str, Python)> {
    vec![
        ("b''", Bytes(vec![])),
        ("b'\\x00\\xff'", Bytes(vec![0, 0xff])),
        ("(1, 'a')", Tuple(vec![Int(1), text("a")])),
        ("((), b'x')", Tuple(vec![Tuple(vec![]), Bytes(b"x".to_vec())])),
    ]
}

pub(crate) fn text(text: &str) -> Python {
    Str(text.to_owned())
}

fn nested_list() -> Python {
    List(vec![Int(1), Float(2.0), text("a"), None, List(vec![Bool(true)])])
}

fn nested_dict() -> Python {
    let inner = Dict(vec![(text("ü"), List(vec![None]))]);
    Dict(vec![(text("b"), Int(1)), (text("a"), inner)])
}

/// The key under which the tests keep a value.
pub(crate) fn key(source: &str) -> String {
    format!("value {source}")
}

/// `key=value` of each, as the writing commands of the peer take them.
pub(crate) fn entries(values: &[(&str, Python)]) -> Vec<String> {
    values.iter().map(|(source, _)| format!("{}={source}", key(source))).collect()
}

pub(crate) fn keys(values: &[(&str, Python)]) -> Vec<String> {
    values.iter().map(|(source, _)| key(source)).collect()
}

/// A dictionary as if its entries had been found in the order of their keys.
pub(crate) fn in_order(dict: Python) -> Python {
    let Dict(mut entries) = dict else { panic!("no dict: {dict:?}") };
    entries.sort_by_key(|(key, _)| format!("{key:?}"));
    Dict(entries)
}
