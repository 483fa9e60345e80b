//! What real dispatchers of Cauldron left in Redis, compared with what this one leaves.

use redis_collections::keyword::KeywordError::AlreadyServed;
use redis_collections::keyword::{Dispatcher, Keyword, Value};
use redis_collections::{Client, Error, LocalServer};
use serde_json::Value as Case;

use support::eventually;
use support::wire::Wire;

#[test]
fn every_case_of_a_dispatcher_is_replayed_or_has_a_reason() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let dispatcher = Dispatcher::builder("TestSvc")
        .keyword(Keyword::new("KEYWORD", Default::default()))
        .keyword(Keyword::integer("NUM"))
        .keyword(Keyword::double("DBL"))
        .keyword(Keyword::string("STR"))
        .keyword(Keyword::boolean("FLAG"));
    let dispatcher = dispatcher.serve(&client).unwrap();
    let mut wire = Wire::to(server.url(), "testsvc");
    let (mut same, mut different, mut others) = (0, 0, 0);
    for case in cases() {
        let id = text(&case, "id");
        let expected = state(&case);
        match text(&case, "operation") {
            "set" => {
                let set = dispatcher.set(keyword(&case), value(&case["python_value"]));
                if why_different(id).is_none() {
                    assert_eq!(set.is_err(), case["raises"].is_string(), "{id}: {set:?}");
                }
            }
            "modify" | "write(wait=False)" => {
                let hex = case["payload_hex"].as_str().map(unhex);
                let payload =
                    hex.unwrap_or_else(|| value(&case["python_value"]).to_string().into());
                assert_eq!(wire.modify(keyword(&case), &payload), 1, "{id}");
            }
            "__init__ duplicate name" => {
                let again = Dispatcher::<Client>::builder("testsvc").serve(&client);
                assert!(matches!(again, Err(Error::Keyword { source: AlreadyServed, .. })), "{id}");
            }
            started if started.starts_with("__init__") => {}
            _ => {
                others += 1;
                continue;
            }
        }
        match why_different(id) {
            None => {
                assert!(
                    eventually(|| expected.iter().all(|(key, value)| is(&mut wire, key, value))),
                    "{id}: {expected:?}"
                );
                same += 1;
            }
            Some(reason) => {
                println!("{id}: {reason}");
                different += 1;
            }
        }
    }
    println!("{same} cases leave the same, {different} differ, {others} are not of a dispatcher");
    assert!(same > 0 && same + different + others == cases().len());
}

/// Where a dispatcher here does something else on purpose.
fn why_different(id: &str) -> Option<&'static str> {
    match id {
        "cauldron-0001" => Some("a keyword without a value has no text `None`"),
        "cauldron-0013" => Some("a number is a text as well"),
        "cauldron-0035" => Some("also a write that was no value shows in the status"),
        _ => None,
    }
}

type State = Vec<(String, String)>;

/// The cases of the present version, in the order in which they were recorded.
fn cases() -> Vec<Case> {
    let file: Case = serde_json::from_str(include_str!("../data/wire-vectors.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let is_present = |case: &&Case| {
        let version = case["seed_version"].as_str().unwrap_or_default();
        text(case, "seed") == "Cauldron.redis" && version.starts_with("extras")
    };
    let mut cases: Vec<Case> = cases.filter(is_present).cloned().collect();
    cases.sort_by_key(|case| text(case, "id").to_owned());
    cases
}

/// The keys after the service's name, and their values.
fn state(case: &Case) -> State {
    let entries = case["state_after"].as_array().into_iter().flatten();
    let string = |hex: &Case| Some(String::from_utf8(unhex(hex.as_str()?)).unwrap());
    let entry = |entry: &Case| {
        let key = string(&entry["key_hex"])?;
        let rest = key.strip_prefix("Cauldron.redis.common.testsvc")?.to_owned();
        Some((rest, string(&entry["value_hex"])?))
    };
    entries.filter_map(entry).collect()
}

/// Reasons of errors have words of their own.
fn is(wire: &mut Wire, key: &str, value: &str) -> bool {
    let found = wire.get(key);
    match key.ends_with(":error") {
        true => found.is_some(),
        false => found.as_deref() == Some(value),
    }
}

fn keyword(case: &Case) -> &str {
    text(&case["args"], "name")
}

fn value(python: &Case) -> Value {
    match text(python, "t") {
        "py2str" => Value::from(String::from_utf8(unhex(text(python, "hex"))).unwrap()),
        "str" => Value::from(text(python, "v")),
        "int" => Value::from(text(python, "v").parse::<i64>().unwrap()),
        "bool" => Value::from(python["v"].as_bool().unwrap()),
        other => panic!("unknown type {other}"),
    }
}

fn text<'a>(case: &'a Case, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("no {field} in {case}"))
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |start| u8::from_str_radix(&hex[start..start + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
