//! Outcomes of writes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_collections::keyword::KeywordError::{NotServed, Refused, UnknownKeyword};
use redis_collections::keyword::{self, Keyword, Status, Value};
use redis_collections::{Applied, Error};

use crate::{parts, serve};
use support::contract::{contract_on_servers, ok, settle};
use support::eventually;
use support::kinds::{Kind, SERVER, SourceDown};
use support::servers::PATIENCE;

contract_on_servers! {
    a_write_returns_the_value_as_the_dispatcher_stored_it,
    a_write_returns_after_it_has_happened,
    an_error_is_its_writers_and_stays_for_all_readers,
    the_same_value_is_acknowledged,
    a_command_is_done_each_time_that_it_is_written,
    several_writes_have_an_outcome_each,
    a_keyword_without_a_subscribed_dispatcher_is_not_served,
    a_dispatcher_of_another_database_receives_no_request,
}

async fn a_write_returns_the_value_as_the_dispatcher_stored_it<C: Kind>(
    client: C,
    name: &'static str,
) {
    let (service, name, _) = parts(&client, name);
    let keywords = [
        Keyword::integer("I").range(0.0..=10.0),
        Keyword::double("D").translate(|value| match value.as_f64() {
            Some(number) => Ok(Value::Number(number.rem_euclid(360.0))),
            None => Err("no number"),
        }),
        Keyword::enumerated("E", ["closed", "open"]),
        Keyword::string("R").read_only().initial("fixed"),
        Keyword::string("H").on_write(|_| C::loading(Err(SourceDown))),
        Keyword::string("P").check(|_| -> std::result::Result<(), String> { panic!("of a test") }),
    ];
    let _dispatcher = serve(&client, &name, keywords).await;
    for (keyword, value, made) in [
        ("I", Value::from("7.9"), Some((Value::Integer(7), "7"))),
        ("I", 3.into(), Some((Value::Integer(3), "3"))),
        ("I", 11.into(), None),
        ("I", "junk".into(), None),
        ("D", 725.0.into(), Some((Value::Number(5.0), "5.0"))),
        ("E", "open".into(), Some((Value::Integer(1), "1"))),
        ("E", 2.into(), None),
        ("R", "x".into(), None),
        ("H", "x".into(), None),
        ("P", "x".into(), None),
    ] {
        match (settle!(service.write(keyword, value.clone())), made) {
            (Ok(reading), Some((made, text))) => {
                assert_eq!((&reading.value, &reading.text[..]), (&made, text), "{keyword}");
                let read = ok!(service.read(keyword));
                assert_eq!((read.value, read.set_at), (made, reading.set_at), "{keyword}");
            }
            (Err(error @ Error::Keyword { source: Refused { .. }, .. }), None) => {
                assert_eq!(error.applied(), Applied::No);
            }
            (outcome, _) => panic!("{keyword} {value}: {outcome:?}"),
        }
    }
    // A write that no client may make leaves no error for others.
    let fixed = ok!(service.read("R"));
    assert_eq!((fixed.status, fixed.error), (Status::Ready, None));
    let unknown = settle!(service.write("X", 1));
    assert!(matches!(unknown, Err(Error::Keyword { source: UnknownKeyword, .. })), "{unknown:?}");
}

async fn a_write_returns_after_it_has_happened<C: Kind>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let done = Arc::new(AtomicU32::new(0));
    let slow = Keyword::integer("N").on_write({
        let done = done.clone();
        move |_| {
            // Long enough that a write which does not wait for it returns before the count.
            std::thread::sleep(Duration::from_millis(30));
            done.fetch_add(1, Ordering::SeqCst);
            C::loading(Ok(()))
        }
    });
    let _dispatcher = serve(&client, &name, [slow]).await;
    for number in 1..=3_u32 {
        ok!(service.write("N", number));
        assert_eq!(done.load(Ordering::SeqCst), number);
        assert_eq!(ok!(service.read("N")).value, Value::from(number));
    }
}

async fn an_error_is_its_writers_and_stays_for_all_readers<C: Kind>(client: C, name: &'static str) {
    let (service, name, mut wire) = parts(&client, name);
    let _dispatcher = serve(&client, &name, [Keyword::integer("N").initial(1)]).await;
    let error = settle!(service.write("N", "junk")).unwrap_err();
    let Error::Keyword { source: Refused { reason, .. }, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("junk") && error.to_string().contains(reason), "{error}");
    for _ in 0..2 {
        let reading = ok!(service.read("N"));
        assert_eq!((reading.value, reading.status), (Value::Integer(1), Status::Error));
        assert_eq!(reading.error.as_ref(), Some(reason));
    }
    assert_eq!(wire.error("N").as_ref(), Some(reason));
    ok!(service.write("N", 2));
    let reading = ok!(service.read("N"));
    assert_eq!((reading.status, reading.error), (Status::Ready, None));
}

async fn a_command_is_done_each_time_that_it_is_written<C: Kind>(client: C, name: &'static str) {
    let (service, name, mut wire) = parts(&client, name);
    let done: [Arc<AtomicU32>; 2] = Default::default();
    let counting = |calls: &Arc<AtomicU32>| {
        let calls = calls.clone();
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            C::loading(Ok(()))
        }
    };
    let keywords = [
        Keyword::boolean("HOME").always_write().on_write(counting(&done[0])),
        Keyword::boolean("LAMP").on_write(counting(&done[1])),
    ];
    let _dispatcher = serve(&client, &name, keywords).await;
    let calls = || done.each_ref().map(|calls| calls.load(Ordering::SeqCst));
    for number in 1..=5 {
        for keyword in ["HOME", "LAMP"] {
            assert_eq!(ok!(service.write(keyword, true)).value, Value::Boolean(true));
        }
        assert_eq!(calls(), [number, 1]);
    }
    let forced = ok!(service.force_write("LAMP", true, PATIENCE));
    assert_eq!((forced.value, forced.status), (Value::Boolean(true), Status::Ready));
    assert_eq!(calls(), [5, 2]);
    assert_eq!((wire.modify("HOME", b"1"), wire.modify("LAMP", b"1")), (1, 1));
    assert!(eventually(|| calls() == [6, 2]));
    ok!(service.write("LAMP", true));
    assert_eq!(calls(), [6, 2]);
}

async fn the_same_value_is_acknowledged<C: Kind>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let _dispatcher = serve(&client, &name, [Keyword::integer("N").initial(1)]).await;
    let first = ok!(service.write("N", 1));
    let second = ok!(service.write("N", "1.5"));
    assert_eq!((&first.text, &second.text), (&"1".to_owned(), &"1".to_owned()));
    assert!(first.set_at < second.set_at);
}

async fn several_writes_have_an_outcome_each<C: Kind>(client: C, name: &'static str) {
    let (service, name, mut wire) = parts(&client, name);
    let keywords = [Keyword::integer("A"), Keyword::integer("B"), Keyword::integer("C")];
    let _dispatcher = serve(&client, &name, keywords).await;
    let writes = [("A", "1"), ("B", "junk"), ("a.b", "1"), ("X", "1"), ("C", "2"), ("A", "3")];
    let outcomes = ok!(service.write_many(writes, PATIENCE));
    assert!(
        matches!(
            &outcomes[..],
            [
                Ok(first),
                Err(Error::Keyword { source: Refused { .. }, .. }),
                Err(Error::InvalidArgument { .. }),
                Err(Error::Keyword { source: UnknownKeyword, .. }),
                Ok(second),
                Ok(third)
            ] if (&first.text[..], &second.text[..], &third.text[..]) == ("1", "2", "3")
        ),
        "{outcomes:?}"
    );
    assert!(ok!(service.write_many([("A", 1); 0], PATIENCE)).is_empty());
    let outcomes: Vec<Vec<u8>> = wire.run(&[b"KEYS", wire.name("~rc:outcome:*").as_bytes()]);
    for outcome in outcomes {
        let left: i64 = wire.run(&[b"PTTL", &outcome]);
        assert!(left > 0, "an outcome that stays");
    }
}

async fn a_keyword_without_a_subscribed_dispatcher_is_not_served<C: Kind>(
    client: C,
    name: &'static str,
) {
    let (service, name, mut wire) = parts(&client, name);
    wire.register();
    for keyword_is_there in [false, true] {
        if keyword_is_there {
            wire.set(".N", "1");
        }
        for outcome in [
            settle!(service.write("N", 1)).map(drop),
            settle!(service.write("N", 2)).map(drop),
            settle!(service.write_nowait("N", 2)),
        ] {
            let Err(error @ Error::Keyword { source: NotServed, .. }) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(error.applied(), Applied::No);
        }
    }
    let dispatcher = serve(&client, &name, [Keyword::integer("N")]).await;
    ok!(service.write_nowait("N", 2));
    ok!(service.wait_for("N", |reading| reading.text == "2", PATIENCE));
    let pattern = wire.name("~rc:request*");
    let channels: Vec<String> = wire.run(&[b"PUBSUB", b"CHANNELS", pattern.as_bytes()]);
    let channels = channels.iter().map(|channel| &channel[wire.name("").len()..]);
    let channels: Vec<_> = channels.collect();
    assert_eq!(channels.len(), 1, "{channels:?}");
    ok!(dispatcher.shutdown());
    assert!(matches!(
        settle!(service.write("N", 1)),
        Err(Error::Keyword { source: NotServed, .. })
    ));
    // The listener serves another keyword.
    let _stranger = wire.listen(&[".N"]);
    assert!(matches!(
        settle!(service.write("N", 1)),
        Err(Error::Keyword { source: NotServed, .. })
    ));
    // The connection of the holder is lost, and its lease is not over yet. A former one still
    // subscribes.
    let _former = wire.listen(&channels);
    wire.set("~rc:lease", "another");
    let outcome = settle!(service.write_within("N", 1, Duration::from_secs(1)));
    assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })), "{outcome:?}");
}

async fn a_dispatcher_of_another_database_receives_no_request<C: Kind>(
    client: C,
    name: &'static str,
) {
    let (service, name, _) = parts(&client, name);
    let called: Arc<Mutex<Vec<Value>>> = Arc::default();
    let noted = called.clone();
    let keyword = Keyword::integer("N").on_write(move |value| {
        noted.lock().unwrap().push(value);
        C::loading(Ok(()))
    });
    let _here = serve(&client, &name, [keyword]).await;
    let other = C::build(C::builder(&format!("{}7", SERVER.url()))).await.unwrap();
    let there = keyword::Client::new(&other).service(&name);
    for outcome in [settle!(there.write_nowait("N", 1)), settle!(there.write("N", 2)).map(drop)] {
        assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })), "{outcome:?}");
    }
    let _there = serve(&other, &name, [Keyword::integer("N")]).await;
    ok!(there.write_nowait("N", 3));
    ok!(there.wait_for("N", |reading| reading.text == "3", PATIENCE));
    ok!(service.write("N", 4));
    assert_eq!(*called.lock().unwrap(), [Value::Integer(4)]);
}
