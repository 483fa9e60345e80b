//! Dispatchers of Cauldron's, and clients of this crate.

use std::sync::{Arc, Mutex};
use std::thread;

use redis_collections::keyword::KeywordError::{NotServed, Refused, UnknownKeyword};
use redis_collections::keyword::{self, Kind as Type, Service, Status, Value};
use redis_collections::{Error, LocalServer};

use super::{Cauldron, DOME, dome, wire, with_cauldron};
use crate::peer::{PATIENCE, Peer, assert_done};
use support::contract::{ok, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::query;

with_cauldron! {
    keywords_are_listed_with_their_types,
    values_have_the_types_of_their_keywords,
    a_write_is_taken_or_refused_with_the_reason_of_the_dispatcher,
    an_error_is_shown_to_all_readers_and_ends_with_the_next_value,
    several_writes_have_an_outcome_each,
    a_write_that_does_not_wait_arrives,
    values_set_by_the_dispatcher_are_received,
    a_value_is_waited_for,
    a_write_without_a_dispatcher_fails,
    another_database_is_used,
    clients_of_both_kinds_write_at_once,
}

const KEYWORDS: [&str; 11] = [
    "AZ:double=1",
    "BASE:basic=x",
    "BAD:integer=1",
    "FOCUS:float=1e20",
    "LID:enumerated=0",
    "MASK:mask=5",
    "N:integer=1",
    "NAME:string=a b",
    "ON:boolean=no",
    "--fail=BAD",
    "--labels=LID=closed,open",
];

async fn keywords_are_listed_with_their_types<C: Kind>(server: LocalServer, client: C) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    let listed = ok!(dome(&client).keywords());
    let listed: Vec<_> = listed.iter().map(|known| (&known.name[..], known.kind)).collect();
    let expected = [
        ("AZ", Type::Double),
        ("BAD", Type::Integer),
        ("BASE", Type::Basic),
        ("FOCUS", Type::Float),
        ("LID", Type::Enumerated),
        ("MASK", Type::Mask),
        ("N", Type::Integer),
        ("NAME", Type::String),
        ("ON", Type::Boolean),
    ];
    assert_eq!(listed, expected);
    assert_eq!(ok!(dome(&client).describe("lid")).kind, Type::Enumerated);
    assert!(ok!(dome(&client).contains("AZ")) && !ok!(dome(&client).contains("EL")));
    let services = ok!(keyword::Client::new(&client).services());
    let services: Vec<_> =
        services.iter().map(|it| (&it.name[..], it.is_served, it.heartbeat)).collect();
    assert_eq!(services, [(DOME, true, None)]);
}

async fn values_have_the_types_of_their_keywords<C: Kind>(server: LocalServer, client: C) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    for (keyword, text, value) in [
        ("AZ", "1.0", Value::Number(1.0)),
        ("BASE", "x", Value::from("x")),
        ("FOCUS", "1e+20", Value::Number(1e20)),
        ("LID", "0", Value::Integer(0)),
        ("MASK", "5", Value::Integer(5)),
        ("N", "1", Value::Integer(1)),
        ("NAME", "a b", Value::from("a b")),
        ("ON", "0", Value::Boolean(false)),
    ] {
        let reading = ok!(dome(&client).read(keyword));
        assert_eq!((&reading.text[..], reading.value.clone()), (text, value), "{keyword}");
        assert_eq!((reading.status, reading.set_at, reading.age()), (Status::Ready, None, None));
    }
    assert!(matches!(
        settle!(dome(&client).read("EL")),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
}

/// What became of a write: the text of the keyword, or why it was refused.
async fn outcome<C: Kind>(
    service: &Service<C>,
    keyword: &str,
    value: impl Into<Value>,
) -> Result<String, String> {
    match settle!(service.write(keyword, value)) {
        Ok(reading) => Ok(reading.text),
        Err(Error::Keyword { source: Refused { reason, .. }, .. }) => Err(reason),
        Err(error) => panic!("{keyword}: {error}"),
    }
}

async fn a_write_is_taken_or_refused_with_the_reason_of_the_dispatcher<C: Kind>(
    server: LocalServer,
    client: C,
) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    let bad = "Bad value for enumerated: 'ajar' not in {'closed': '0', 'open': '1'}";
    for (keyword, value, expected) in [
        ("N", Value::Integer(5), Ok("5")),
        ("N", Value::Integer(5), Ok("5")),
        ("N", Value::from("6.9"), Ok("6")),
        ("N", Value::Number(7.2), Ok("7")),
        ("AZ", Value::Integer(3), Ok("3.0")),
        ("ON", Value::Boolean(true), Ok("1")),
        ("ON", Value::Boolean(true), Ok("1")),
        ("ON", Value::from("Off"), Ok("0")),
        ("NAME", Value::from("ä\nb"), Ok("ä\nb")),
        ("NAME", Value::from(""), Ok("")),
        ("LID", Value::from("Open"), Ok("1")),
        ("LID", Value::Integer(0), Ok("0")),
        ("LID", Value::from("ajar"), Err(bad)),
        ("LID", Value::Integer(1), Ok("1")),
        ("BAD", Value::Integer(7), Err("no way to 7")),
        ("BAD", Value::Integer(7), Err("no way to 7")),
        ("BAD", Value::Integer(8), Err("no way to 8")),
        // It is not even asked to do what it does already.
        ("BAD", Value::Integer(1), Ok("1")),
    ] {
        let outcome = outcome(&dome(&client), keyword, value.clone()).await;
        let expected = expected.map(String::from).map_err(String::from);
        assert_eq!(outcome, expected, "{keyword} {value:?}");
    }
    for (keyword, value) in [("N", "junk"), ("N", "2147483647"), ("ON", "maybe")] {
        let outcome = settle!(dome(&client).write(keyword, value));
        assert!(matches!(outcome, Err(Error::InvalidArgument { .. })), "{value}: {outcome:?}");
    }
}

async fn an_error_is_shown_to_all_readers_and_ends_with_the_next_value<C: Kind>(
    server: LocalServer,
    client: C,
) {
    let cauldron = Cauldron::serve(&server, &KEYWORDS);
    assert_eq!(wire(&server).modify("N", b"junk"), 1);
    let reason = "could not convert string to float: 'junk'";
    for _ in 0..2 {
        assert!(eventually(|| wire(&server).error("N").as_deref() == Some(reason)));
        let reading = ok!(dome(&client).read("N"));
        assert_eq!((&reading.text[..], reading.error.as_deref()), ("1", Some(reason)));
    }
    cauldron.set("N=2");
    let reading = ok!(dome(&client).read("N"));
    assert_eq!((&reading.text[..], reading.status, reading.error), ("2", Status::Ready, None));
}

async fn several_writes_have_an_outcome_each<C: Kind>(server: LocalServer, client: C) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    let writes = [("N", 3), ("BAD", 2), ("EL", 1), ("FOCUS", 3)];
    let outcomes = ok!(dome(&client).write_many(writes, PATIENCE));
    match &outcomes[..] {
        [
            Ok(n),
            Err(Error::Keyword { source: Refused { .. }, .. }),
            Err(Error::Keyword { source: NotServed, .. }),
            Ok(focus),
        ] => {
            assert_eq!((&n.text[..], &focus.text[..]), ("3", "3.0"));
        }
        _ => panic!("{outcomes:?}"),
    }
}

async fn a_write_that_does_not_wait_arrives<C: Kind>(server: LocalServer, client: C) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    ok!(dome(&client).write_nowait("AZ", 12.5));
    assert!(eventually(|| wire(&server).value("AZ").as_deref() == Some("12.5")));
}

async fn values_set_by_the_dispatcher_are_received<C: Kind>(server: LocalServer, client: C) {
    let cauldron = Cauldron::serve(&server, &KEYWORDS);
    let received = Arc::new(Mutex::new(Vec::new()));
    let watch = {
        let received = received.clone();
        ok!(dome(&client).watch(["N"], move |reading| {
            let mut received = received.lock().unwrap();
            // Its status changes before and after its value.
            if received.last() != Some(&reading.value) {
                received.push(reading.value);
            }
            C::loading(Ok(()))
        }))
    };
    let has_received = |values: &[i64]| {
        let values: Vec<_> = values.iter().copied().map(Value::from).collect();
        eventually(|| *received.lock().unwrap() == values)
    };
    assert!(has_received(&[1]), "{received:?}");
    cauldron.set("N=2");
    assert!(has_received(&[1, 2]), "{received:?}");
    ok!(dome(&client).write("N", 3));
    assert!(has_received(&[1, 2, 3]), "{received:?}");
    drop(watch);
}

async fn a_value_is_waited_for<C: Kind>(server: LocalServer, client: C) {
    let cauldron = Cauldron::serve(&server, &KEYWORDS);
    thread::scope(|scope| {
        let wait = || {
            let wait = dome(&client).wait_for("N", |n| n.value.as_i64() > Some(4), PATIENCE);
            C::finish(async { C::settle(wait).await })
        };
        let waiting = scope.spawn(wait);
        let channel = format!("__keyspace@0__:{}", wire(&server).name(".N"));
        let listens = || -> (String, usize) {
            wire(&server).run(&[b"PUBSUB", b"NUMSUB", channel.as_bytes()])
        };
        assert!(eventually(|| listens().1 > 0));
        cauldron.set("N=4");
        cauldron.set("N=5");
        assert_eq!(waiting.join().unwrap().unwrap().value, Value::Integer(5));
    });
}

async fn a_write_without_a_dispatcher_fails<C: Kind>(server: LocalServer, client: C) {
    for ends in [Cauldron::shut_down, drop] {
        ends(Cauldron::serve(&server, &KEYWORDS));
        let is_gone = || wire(&server).modify("N", b"1") == 0;
        assert!(eventually(is_gone));
        for keyword in ["N", "EL"] {
            let outcome = settle!(dome(&client).write(keyword, 2));
            assert!(
                matches!(outcome, Err(Error::Keyword { source: NotServed, .. })),
                "{outcome:?}"
            );
        }
        let outcome = settle!(dome(&client).write_nowait("N", 2));
        assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })), "{outcome:?}");
        assert!(!ok!(dome(&client).is_served()));
        assert_eq!(ok!(dome(&client).read("N")).text, "1");
    }
}

async fn another_database_is_used<C: Kind>(server: LocalServer, client: C) {
    let third = C::build(C::builder(server.url()).database(3)).await.unwrap();
    let cauldron = Peer::start(&server, ["cauldron-serve", DOME, "N:integer=1", "--db=3"]);
    cauldron.expect_ready();
    for (value, text) in [(2, "2"), (2, "2"), (3, "3")] {
        assert_eq!(outcome(&dome(&third), "N", value).await.as_deref(), Ok(text));
    }
    assert_eq!(ok!(dome(&third).keywords()).len(), 1);
    assert!(matches!(
        settle!(dome(&client).read("N")),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
    let keys: usize = query(server.url(), "DBSIZE").unwrap();
    assert_eq!(keys, 0);
}

async fn clients_of_both_kinds_write_at_once<C: Kind>(server: LocalServer, client: C) {
    let _cauldron = Cauldron::serve(&server, &KEYWORDS);
    let theirs: Vec<_> = (1001..=1200).map(|value| format!("N={value}")).collect();
    let words = ["cauldron-write", DOME].into_iter().chain(theirs.iter().map(String::as_str));
    let python = Peer::start(&server, words);
    python.expect_line("write", |line| line["op"] == "write");
    for value in 1..=20 {
        ok!(dome(&client).write("N", value));
    }
    assert_done(&python.lines());
    // Python's client does not wait until its value is taken.
    let last = || wire(&server).number("N").unwrap_or_default();
    assert!(eventually(|| [20, 1200].contains(&last())), "{}", last());
}
