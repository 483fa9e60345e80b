//! What clients of Cauldron's did, as the real ones were recorded, by clients of this crate.

use redis_collections::keyword::KeywordError::{NotServed, Refused};
use redis_collections::keyword::{self, Dispatcher, Keyword, Kind as Type, Service, Status};
use redis_collections::{Client, Error, LocalServer};
use serde_json::Value as Case;

use support::servers::PATIENCE;
use support::wire::Wire;

const SERVICE: &str = "testsvc";
const PREFIX: &str = "Cauldron.redis.common.testsvc.";

#[test]
fn every_call_of_cauldrons_clients_has_the_same_effect_or_none_of_its_faults() {
    let file: Case = serde_json::from_str(include_str!("../data/wire-vectors.json")).unwrap();
    let is_of_clients = |case: &&Case| {
        case["id"].as_str().unwrap().starts_with("cauldron")
            && case["seed_version"].as_str().unwrap().starts_with("extras")
            && case["class"].as_str().unwrap().starts_with("client.")
    };
    let cases: Vec<_> = file["cases"].as_array().unwrap().iter().filter(is_of_clients).collect();
    assert_eq!(cases.len(), 17);
    for case in cases {
        match case["operation"].as_str().unwrap() {
            "write(wait=False)" => {
                written_to_our_dispatcher(case);
                asked_of_cauldrons(case);
            }
            "read" | "read(binary=True)" => read(case),
            "read with pending error" => read_with_an_error(case),
            "has_keyword (lower case)" => {
                let (_server, service) = restored(case);
                assert!(service.contains("str").unwrap() && !service.contains("str2").unwrap());
            }
            "write with no dispatcher (silently succeeds)" => {
                let (_server, service) = restored(case);
                let outcome = service.write("KEYWORD", python(&case["python_value"]));
                assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })));
            }
            "monitor(prime=False)" => {
                let (server, service) = restored(case);
                let mut monitor = service.monitor(["STR"]).unwrap();
                assert_eq!(monitor.next_within(PATIENCE).unwrap().unwrap().text, "x y");
                Wire::to(server.url(), SERVICE).set(".STR", "new");
                assert_eq!(monitor.next_within(PATIENCE).unwrap().unwrap().text, "new");
            }
            operation => {
                assert!(operation.starts_with("keywords()"), "{operation}");
                let (_server, service) = restored(case);
                let listed = service.keywords().unwrap();
                let listed: Vec<_> = listed.iter().map(|it| (&it.name[..], it.kind)).collect();
                assert_eq!(listed, [("STR", Type::String)]);
            }
        }
    }
}

/// The state that was recorded, on a server of its own.
fn restored(case: &Case) -> (LocalServer, Service) {
    let server = LocalServer::start().unwrap();
    let mut wire = Wire::to(server.url(), SERVICE);
    for entry in case["state_after"].as_array().unwrap() {
        let (key, value) = (text(&entry["key_hex"]), text(&entry["value_hex"]));
        let key = key.strip_prefix(PREFIX).unwrap();
        wire.set(&format!(".{key}"), &value);
    }
    let client = Client::open(server.url()).unwrap();
    (server, keyword::Client::new(&client).service("TestSvc"))
}

fn written_to_our_dispatcher(case: &Case) {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let keywords = [("KEYWORD", Type::Basic), ("NUM", Type::Integer), ("DBL", Type::Double)];
    let keywords = keywords.map(|(name, kind)| Keyword::new(name, kind));
    let _dispatcher = Dispatcher::builder(SERVICE).keywords(keywords).serve(&client).unwrap();
    let service = keyword::Client::new(&client).service(SERVICE);
    let keyword = case["args"]["name"].as_str().unwrap();
    let outcome = service.write(keyword, python(&case["python_value"]));
    let mut wire = Wire::to(server.url(), SERVICE);
    let (status, error) = (wire.status(keyword), wire.error(keyword));
    assert_eq!(status, state(case, ":status"), "{case}");
    assert_eq!(error.is_some(), state(case, ":error").is_some(), "{case}");
    match outcome {
        Ok(reading) => assert_eq!(Some(reading.text), state(case, ""), "{case}"),
        Err(Error::Keyword { source: Refused { reason, .. }, .. }) => {
            assert_eq!(error, Some(reason), "{case}")
        }
        Err(error) => panic!("{case} {error}"),
    }
}

/// A dispatcher of Cauldron's receives what was recorded, except for what could never be a value.
fn asked_of_cauldrons(case: &Case) {
    let (server, service) = restored(case);
    let mut wire = Wire::to(server.url(), SERVICE);
    let keyword = case["args"]["name"].as_str().unwrap();
    let channel = format!(".{keyword}");
    wire.set(&channel, "other");
    wire.set(&format!("{channel}:status"), "modify");
    wire.register();
    let mut cauldron = wire.listen(&[&channel]);
    match service.write_within(keyword, python(&case["python_value"]), Default::default()) {
        Err(Error::Timeout { .. }) => {
            assert_eq!(cauldron.next_message().1, text(&case["payload_hex"]), "{case}");
        }
        Err(Error::InvalidArgument { .. }) => assert_eq!(state(case, ":status").unwrap(), "error"),
        outcome => panic!("{case} {outcome:?}"),
    }
}

fn read(case: &Case) {
    let (_server, service) = restored(case);
    let reading = service.read(case["args"]["name"].as_str().unwrap()).unwrap();
    assert_eq!(reading.text, python(&case["returns"]), "{case}");
    assert_eq!(Some(reading.status.to_string()), state(case, ":status"));
    assert_eq!(Some(reading.kind.as_str().to_owned()), state(case, ":type"));
}

fn read_with_an_error(case: &Case) {
    let (server, service) = restored(case);
    let mut wire = Wire::to(server.url(), SERVICE);
    wire.set(".NUM:error", "boom");
    wire.set(".NUM:status", "error");
    for _ in 0..2 {
        let reading = service.read("NUM").unwrap();
        assert_eq!((reading.status, reading.error.as_deref()), (Status::Error, Some("boom")));
    }
}

/// What was left under a key of the case's keyword.
fn state(case: &Case, helper: &str) -> Option<String> {
    let key = format!("{PREFIX}{}{helper}", case["args"]["name"].as_str().unwrap());
    let mut entries = case["state_after"].as_array().unwrap().iter();
    Some(text(&entries.find(|entry| text(&entry["key_hex"]) == key)?["value_hex"]))
}

/// A value of Python's as text.
fn python(literal: &Case) -> String {
    match literal["v"].as_str() {
        Some(value) => value.to_owned(),
        None => text(&literal["hex"]),
    }
}

fn text(hex: &Case) -> String {
    let hex = hex.as_str().unwrap();
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    String::from_utf8(bytes.collect::<Result<_, _>>().unwrap()).unwrap()
}
