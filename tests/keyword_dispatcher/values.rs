//! Values set by the dispatcher itself and by clients.

use std::collections::HashMap;

use redis_collections::Error;
use redis_collections::keyword::KeywordError::{Refused, UnknownKeyword};
use redis_collections::keyword::{Dispatcher, Keyword, Value};

use crate::{Calls, superstitious, wire};
use support::contract::{contract_on_servers, ok, settle};
use support::eventually;
use support::kinds::{Kind, SERVER};
use support::wire::Wire;

contract_on_servers! {
    every_value_that_is_set_is_published,
    a_change_and_its_message_are_one_step,
    times_of_changes_increase_though_the_clock_is_behind,
    setting_an_invalid_value_is_an_error,
    every_request_has_an_outcome,
    requests_of_cauldron_are_treated_alike,
    a_value_that_is_already_set_is_acknowledged,
    a_write_only_keyword_has_no_value,
    databases_are_kept_apart,
    handles_have_the_types_of_their_keywords,
}

redis_collections::keywords! {
    struct Dome {
        azimuth: f64 = Keyword::double("AZ").initial(0.5),
        shutter: i64 = Keyword::enumerated("SHUTTER", ["closed", "open"]),
        is_hot: bool = Keyword::boolean("HOT"),
        target: String = Keyword::string("TARGET"),
    }
}

async fn handles_have_the_types_of_their_keywords<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let builder = Dispatcher::builder(&service).keywords(Dome::keywords());
    let dispatcher = ok!(builder.serve(&client));
    let dome = Dome::of(&dispatcher).unwrap();
    assert_eq!((dome.azimuth.get().unwrap(), dome.shutter.get().unwrap()), (Some(0.5), None));
    ok!(dome.shutter.set(1));
    ok!(dome.is_hot.set(true));
    ok!(dome.target.set("M 31".into()));
    assert_eq!((dome.shutter.get().unwrap(), dome.is_hot.get().unwrap()), (Some(1), Some(true)));
    assert_eq!(dome.target.get().unwrap().as_deref(), Some("M 31"));
    assert_eq!(wire.value("SHUTTER").as_deref(), Some("1"));
    assert!(matches!(
        settle!(dome.shutter.set(2)),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
    assert!(matches!(dispatcher.handle::<i64>("AZ"), Err(Error::InvalidArgument { .. })));
    assert!(matches!(
        dispatcher.handle::<i64>("X"),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
}

async fn every_value_that_is_set_is_published<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let keyword = Keyword::integer("N").history(2);
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let mut changes = wire.listen(&["~rc:changed:N"]);
    for value in [1, 2, 2, 3] {
        ok!(dispatcher.set("n", value));
    }
    let times: Vec<u64> = [1, 2, 3]
        .map(|value| {
            let (_, message) = changes.next_message();
            let (at, text) = message.split_once(' ').unwrap();
            assert_eq!(text, value.to_string());
            at.parse().unwrap()
        })
        .into();
    assert!(times.is_sorted_by(|one, other| one < other));
    assert_eq!(wire.time("N"), times.last().copied());
    assert_eq!(dispatcher.history("N").unwrap().len(), 2);
    let history: Vec<_> = dispatcher.history("N").unwrap();
    let values: Vec<_> = history.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(values, [Value::Integer(2), Value::Integer(3)]);
    assert!(history.is_sorted_by_key(|(at, _)| *at));
    assert!(matches!(
        settle!(dispatcher.set("X", 1)),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
}

/// Another client reads value, status and time together all the time.
async fn a_change_and_its_message_are_one_step<C: Kind>(client: C, name: &'static str) {
    const LAST: i64 = 500;
    let (service, mut wire) = wire(name);
    let keyword = Keyword::integer("N").initial(0);
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let mut messages = wire.listen(&["~rc:changed:N"]);
    let looking = std::thread::spawn(move || {
        let [value, status, times] = [".N", ".N:status", "~rc:times"].map(|rest| wire.name(rest));
        let look = "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), \
            redis.call('HGET', KEYS[3], 'N')}";
        let mut seen: Vec<(String, String, String)> = Vec::new();
        while seen.last().is_none_or(|(value, ..)| *value != LAST.to_string()) {
            seen.push(wire.run(&[
                b"EVAL",
                look.as_bytes(),
                b"3",
                value.as_bytes(),
                status.as_bytes(),
                times.as_bytes(),
            ]));
        }
        seen
    });
    for number in 1..=LAST {
        ok!(dispatcher.set("N", number));
    }
    let published: HashMap<String, String> = (0..LAST)
        .map(|_| {
            let (_, message) = messages.next_message();
            let (at, text) = message.split_once(' ').unwrap();
            (text.to_owned(), at.to_owned())
        })
        .collect();
    for (value, status, at) in looking.join().unwrap() {
        let at_its_time = value == "0" || published.get(&value) == Some(&at);
        assert!(at_its_time && status == "ready", "{value} {status} {at}");
    }
}

async fn times_of_changes_increase_though_the_clock_is_behind<C: Kind>(
    client: C,
    name: &'static str,
) {
    let (service, mut wire) = wire(name);
    let keyword = Keyword::integer("N");
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let times = wire.name("~rc:times");
    let ahead = 4_000_000_000_000_000_u64;
    let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", ahead.to_string().as_bytes()]);
    for later in 1..=3 {
        ok!(dispatcher.set("N", 7));
        assert_eq!(wire.time("N"), Some(ahead + later), "the server's clock is behind");
    }
}

async fn setting_an_invalid_value_is_an_error<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let even = |value: &Value| match value.as_i64() {
        Some(number) if number % 2 == 0 => Ok(()),
        _ => Err("it is odd"),
    };
    let keyword = Keyword::integer("N").range(0.0..=10.0).check(even).initial(4);
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    for value in ["3", "12", "x"] {
        let refused = settle!(dispatcher.set("N", value));
        let Err(Error::Keyword { source: Refused { reason, .. }, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(wire.error("N"), Some(reason));
        assert_eq!(wire.status("N").as_deref(), Some("error"));
        assert_eq!(wire.value("N").as_deref(), Some("4"));
    }
    ok!(dispatcher.set("N", 6));
    assert_eq!((wire.error("N"), wire.status("N").as_deref()), (None, Some("ready")));
}

async fn every_request_has_an_outcome<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let upper = |value: Value| Ok::<_, String>(Value::from(value.to_string().to_uppercase()));
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("N").on_write(superstitious::<C>(&Calls::default())))
        .keyword(Keyword::double("AZ").range(0.0..=360.0))
        .keyword(Keyword::enumerated("LID", ["closed", "open"]))
        .keyword(Keyword::string("NAME").translate(upper))
        .keyword(Keyword::boolean("FIXED").read_only().initial(true))
        .keyword(Keyword::string("A [B]*?").check(|value| match value.as_str() {
            Some("panic") => panic!("the check of a test"),
            _ => Ok::<_, String>(()),
        }));
    let _dispatcher = ok!(builder.serve(&client));
    for (keyword, value, outcome) in [
        ("N", &b"7"[..], "7"),
        ("n", b"8.9", "8"),
        ("N", b"13", "-the source is down"),
        ("N", b"14", "-it panicked"),
        ("N", b"15", "15"),
        ("N", b"x", "-\"x\" is not a number"),
        ("AZ", b"1e2", "100.0"),
        ("AZ", b"361", "-361.0 is not between 0 and 360"),
        ("LID", b"open", "1"),
        ("LID", b"2", "-\"2\" is none of closed, open"),
        ("NAME", b"ann", "ANN"),
        ("NAME", b"two\nlines\0", "TWO\nLINES\0"),
        ("NAME", b"\xff", "-the value is not UTF-8"),
        ("FIXED", b"0", "-it is read-only"),
        ("A [B]*?", b"x", "x"),
        ("A [B]*?", b"panic", "-it panicked"),
        ("MISSING", b"x", "-there is no such keyword"),
    ] {
        assert_eq!(wire.write(keyword, value), outcome, "{keyword} {value:?}");
        let keyword = keyword.to_uppercase();
        match outcome.strip_prefix('-') {
            _ if keyword == "MISSING" => assert_eq!(wire.status(&keyword), None),
            // No client may write it, so that it is no error of the keyword.
            _ if keyword == "FIXED" => {
                assert_eq!(
                    (wire.error(&keyword), wire.status(&keyword)),
                    (None, Some("ready".into()))
                );
            }
            Some(reason) => {
                assert_eq!(wire.error(&keyword).as_deref(), Some(reason));
                assert_eq!(wire.status(&keyword).as_deref(), Some("error"));
            }
            None => {
                assert_eq!(wire.value(&keyword).as_deref(), Some(outcome));
                assert_eq!(wire.status(&keyword).as_deref(), Some("ready"));
            }
        }
    }
}

async fn requests_of_cauldron_are_treated_alike<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("N").on_write(superstitious::<C>(&Calls::default())))
        .keyword(Keyword::integer("PLAIN"));
    let _dispatcher = ok!(builder.serve(&client));
    for (keyword, value, status, last) in [
        ("N", "7", "ready", "7"),
        ("N", "13", "error", "7"),
        ("N", "8", "ready", "8"),
        ("PLAIN", "1", "ready", "1"),
        ("PLAIN", "x", "error", "1"),
        ("PLAIN", "1", "ready", "1"),
    ] {
        assert_eq!(wire.modify(keyword, value.as_bytes()), 1);
        let is_done = || {
            wire.status(keyword).as_deref() == Some(status)
                && wire.value(keyword).as_deref() == Some(last)
        };
        assert!(eventually(is_done), "{keyword} {value}");
    }
}

async fn a_value_that_is_already_set_is_acknowledged<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let calls = Calls::default();
    let keyword = Keyword::integer("N").on_write(superstitious::<C>(&calls)).initial(7);
    let _dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let before = wire.time("N");
    assert_eq!((wire.write("N", "7"), wire.write("N", "7.5")), ("7".into(), "7".into()));
    assert_eq!(calls.counted(), 0);
    assert!(wire.time("N") > before, "the time is written");
    assert_eq!((wire.write("N", "8"), calls.counted()), ("8".into(), 1));
}

async fn a_write_only_keyword_has_no_value<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let calls = Calls::default();
    let keyword = Keyword::integer("N").write_only().on_write(superstitious::<C>(&calls));
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    assert_eq!([wire.write("N", "7"), wire.write("N", "7")], ["7", "7"]);
    assert_eq!(calls.counted(), 2);
    assert_eq!((wire.value("N").as_deref(), dispatcher.get("N").unwrap()), (Some(""), None));
    assert_eq!(wire.status("N").as_deref(), Some("ready"));
}

async fn databases_are_kept_apart<C: Kind>(client: C, name: &'static str) {
    let (service, mut here) = wire(name);
    let url = format!("{}1", SERVER.url());
    let mut there = Wire::to(&url, &service);
    let other = C::build(C::builder(&url)).await.unwrap();
    let keywords = || ["N", "M"].map(|name| Keyword::integer(name).initial(0));
    let first = ok!(Dispatcher::builder(&service).keywords(keywords()).serve(&client));
    let second = ok!(Dispatcher::builder(&service).keywords(keywords()).serve(&other));
    assert_eq!((here.write("N", "1"), there.write("N", "2")), ("1".into(), "2".into()));
    assert_eq!((here.value("N").as_deref(), there.value("N").as_deref()), (Some("1"), Some("2")));
    // The local copy follows the replies.
    assert!(eventually(|| first.get("N").unwrap() == Some(Value::Integer(1))));
    assert!(eventually(|| second.get("N").unwrap() == Some(Value::Integer(2))));
    // Requests of Cauldron's do not say for which database they are: only the first takes them.
    assert_eq!(here.modify("N", b"3"), 2);
    assert_eq!((here.write("M", "1"), there.write("M", "1")), ("1".into(), "1".into()));
    assert_eq!((here.value("N").as_deref(), there.value("N").as_deref()), (Some("3"), Some("2")));
    ok!(first.shutdown());
    assert!(eventually(|| there.modify("N", b"4") == 1));
    assert!(eventually(|| there.value("N").as_deref() == Some("4")));
    // One of Cauldron's serves the first now.
    here.register();
    let mut theirs = here.listen(&[".N", ".M"]);
    there.modify("N", b"5");
    assert_eq!((theirs.next_message().1, there.write("M", "2")), ("5".into(), "2".into()));
    assert_eq!(there.value("N").as_deref(), Some("4"));
}
