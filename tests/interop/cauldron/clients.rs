//! Dispatchers of this crate, and clients of Cauldron's.

use std::time::Instant;

use redis_collections::keyword::{Dispatcher, Keyword, Kind as Type, Value};
use redis_collections::{LocalServer, Result};

use super::{DOME, dome, wire, with_cauldron};
use crate::peer::{PATIENCE, Peer, assert_done, raised, value};
use support::contract::ok;
use support::eventually;
use support::kinds::{Kind, SourceDown};
use support::python::Python::{self, Bool, Float, Int, List, Str};
use support::servers::query;

with_cauldron! {
    python_reads_values_and_types,
    a_write_by_python_is_accepted,
    an_error_reaches_python_with_its_text,
    python_receives_every_kind_of_change,
    python_lists_the_keywords,
    another_database_is_used,
    clients_of_both_kinds_write_at_once,
}

/// Serves keywords of all types that Cauldron's clients can read. `N` refuses 13.
async fn serve<C: Kind>(client: &C) -> Result<Dispatcher<C>> {
    let unlucky =
        |value: Value| C::loading(if value == 13.into() { Err(SourceDown) } else { Ok(()) });
    let dispatcher = Dispatcher::builder("Dome").keywords([
        Keyword::double("AZ").initial(1),
        Keyword::new("BASE", Type::Basic).initial("x"),
        Keyword::float("FOCUS").initial(1e20),
        Keyword::integer("N").initial(1).history(10_000).on_write(unlucky),
        Keyword::string("NAME").initial("ä b"),
        Keyword::boolean("ON").initial(true),
        Keyword::string("EMPTY"),
    ]);
    C::settle(dispatcher.serve(client)).await
}

fn text(text: &str) -> Python {
    Str(text.into())
}

async fn python_reads_values_and_types<C: Kind>(server: LocalServer, client: C) {
    let _dispatcher = serve(&client).await.unwrap();
    let expected = [
        ("AZ", text("1.0"), Float(1.0)),
        ("BASE", text("x"), text("x")),
        ("FOCUS", text("1e+20"), Float(1e20)),
        ("N", text("1"), Int(1)),
        ("NAME", text("ä b"), text("ä b")),
        ("ON", text("1"), Bool(true)),
        ("EMPTY", text(""), text("")),
    ];
    let read = ["cauldron-read", DOME].into_iter().chain(expected.iter().map(|(name, ..)| *name));
    let texts = Peer::run(&server, read.clone());
    let values = Peer::run(&server, read.chain(["--binary"]));
    assert_eq!((texts.len(), values.len()), (expected.len(), expected.len()));
    for ((name, as_text, as_value), (text, typed)) in expected.iter().zip(texts.iter().zip(&values))
    {
        assert_eq!((value(text), value(typed)), (as_text.clone(), as_value.clone()), "{name}");
    }
}

async fn a_write_by_python_is_accepted<C: Kind>(server: LocalServer, client: C) {
    let dispatcher = serve(&client).await.unwrap();
    for (written, keyword, expected) in [
        ("N=5", "N", Value::Integer(5)),
        ("N=5", "N", Value::Integer(5)),
        ("N=7.9", "N", Value::Integer(7)),
        ("n=8", "N", Value::Integer(8)),
        ("AZ=3", "AZ", Value::Number(3.0)),
        ("ON=no", "ON", Value::Boolean(false)),
        ("ON=True", "ON", Value::Boolean(true)),
        ("NAME=ö", "NAME", Value::from("ö")),
        ("BASE=", "BASE", Value::from("")),
    ] {
        assert_done(&Peer::run(&server, ["cauldron-write", DOME, written]));
        let is_taken = || dispatcher.get(keyword).unwrap().as_ref() == Some(&expected);
        assert!(eventually(is_taken), "{written}: {:?}", dispatcher.get(keyword));
        assert_eq!(ok!(dome(&client).read(keyword)).value, expected, "{written}");
    }
    assert_done(&Peer::run(&server, ["cauldron-write", DOME, "N=9", "--no-wait"]));
    assert!(eventually(|| dispatcher.get("N").unwrap() == Some(Value::Integer(9))));
}

/// Python's client looks at the status right after it has written, and in two threads: the error of
/// a write may be left to the next reader, or get lost.
async fn an_error_reaches_python_with_its_text<C: Kind>(server: LocalServer, client: C) {
    let _dispatcher = serve(&client).await.unwrap();
    for (written, reason) in [("13", "the source is down"), ("junk", "\"junk\" is not a number")] {
        let write = format!("N={written}");
        let write = Peer::run(&server, ["cauldron-write", DOME, &write]);
        let expected = format!("DispatcherError: {reason}");
        assert!(write[0]["raises"].is_null() || raised(&write[0]) == expected, "{write:?}");
        // What was asked for before has been refused then.
        assert_eq!(ok!(dome(&client).write("N", 1)).error, None);

        assert_eq!(wire(&server).modify("N", written.as_bytes()), 1);
        assert!(eventually(|| wire(&server).error("N").as_deref() == Some(reason)));
        let reads = Peer::run(&server, ["cauldron-read", DOME, "N", "N"]);
        assert_eq!(raised(&reads[0]), expected);
        assert_eq!(value(&reads[1]), text("1"));
    }
}

async fn python_receives_every_kind_of_change<C: Kind>(server: LocalServer, client: C) {
    let dispatcher = serve(&client).await.unwrap();
    let monitor = Peer::start(&server, ["cauldron-monitor", DOME, "N", "NAME"]);
    let expect = |keyword: &str, new: &str| {
        let is_it = |line: &serde_json::Value| {
            line["op"] == "changed" && line["keyword"] == keyword && value(line) == text(new)
        };
        monitor.expect_line(new, is_it);
    };
    expect("N", "1");
    expect("NAME", "ä b");
    monitor.expect_ready();
    ok!(dispatcher.set("N", 2));
    expect("N", "2");
    ok!(dome(&client).write("N", 3));
    expect("N", "3");
    assert_done(&Peer::run(&server, ["cauldron-write", DOME, "N=4"]));
    expect("N", "4");
    ok!(dispatcher.set("NAME", "last"));
    expect("NAME", "last");
}

/// It takes keys that belong to a keyword for keywords, but none of those that only this crate
/// knows.
async fn python_lists_the_keywords<C: Kind>(server: LocalServer, client: C) {
    let _dispatcher = serve(&client).await.unwrap();
    ok!(dome(&client).write("N", 2));
    let List(listed) = Peer::call(&server, ["cauldron-keywords", DOME]) else { panic!("a list") };
    let names = ["AZ", "BASE", "EMPTY", "FOCUS", "N", "NAME", "ON"];
    let suffixes = ["", ":status", ":type"];
    let expected = names.iter().flat_map(|name| suffixes.map(|suffix| format!("{name}{suffix}")));
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    assert_eq!(listed, expected.into_iter().map(Str).collect::<Vec<_>>());
}

async fn another_database_is_used<C: Kind>(server: LocalServer, _client: C) {
    let third = C::build(C::builder(server.url()).database(3)).await.unwrap();
    let dispatcher = serve(&third).await.unwrap();
    assert_done(&Peer::run(&server, ["cauldron-write", DOME, "N=5", "--db=3"]));
    assert!(eventually(|| dispatcher.get("N").unwrap() == Some(Value::Integer(5))));
    assert_eq!(Peer::call(&server, ["cauldron-read", DOME, "N", "--binary", "--db=3"]), Int(5));
    let monitor = Peer::start(&server, ["cauldron-monitor", DOME, "N", "--db=3"]);
    monitor.expect_ready();
    ok!(dome(&third).write("N", 6));
    monitor.expect_line("6", |line| line["op"] == "changed" && value(line) == text("6"));
    let keys: usize = query(server.url(), "DBSIZE").unwrap();
    assert_eq!(keys, 0);
}

async fn clients_of_both_kinds_write_at_once<C: Kind>(server: LocalServer, client: C) {
    let dispatcher = serve(&client).await.unwrap();
    let theirs: Vec<_> = (1001..=1010).collect();
    let words: Vec<_> = theirs.iter().map(|value| format!("N={value}")).collect();
    let words = ["cauldron-write", DOME].into_iter().chain(words.iter().map(String::as_str));
    let python = Peer::start(&server, words);
    let taken = || -> Vec<_> {
        let history = dispatcher.history("N").unwrap();
        let all = history.into_iter().filter_map(|(_, value)| value.as_i64());
        all.filter(|value| theirs.contains(value)).collect()
    };
    let (deadline, mut ours) = (Instant::now() + PATIENCE, (2..7).cycle());
    while taken().len() < theirs.len() && Instant::now() < deadline {
        let value = Value::from(ours.next().unwrap_or_default());
        assert_eq!(ok!(dome(&client).write("N", value.clone())).value, value);
    }
    assert_done(&python.lines());
    assert_eq!(taken(), theirs);
}
