//! What a status says while a keyword is written, and after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis_collections::Error;
use redis_collections::keyword::KeywordError::Refused;
use redis_collections::keyword::{Dispatcher, Keyword, Value};

use crate::{Calls, Gate, Patient, superstitious, wire};
use support::contract::{contract_on_servers, ok, settle};
use support::kinds::{Kind, SourceDown};

contract_on_servers! {
    readings_do_not_end_a_write,
    the_error_of_a_write_stays_until_the_next_write,
    a_status_of_others_is_not_kept,
    a_write_goes_on_after_the_server_has_lost_everything,
}

fn counting<C: Kind>() -> impl Fn() -> C::Loading<Value> {
    let calls = Calls::default();
    move || {
        calls.count();
        C::loading(Ok(Value::from(calls.counted() as i64)))
    }
}

async fn readings_do_not_end_a_write<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let passed = gate.clone();
    let keyword = Keyword::integer("N").on_write(move |_| C::wait_for(&passed, ()));
    let keyword = keyword.on_read(counting::<C>());
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let mut news = wire.listen(&["~rc:changed:N"]);
    let written = wire.ask("N", b"50");
    gate.wait_for_a_caller();
    ok!(dispatcher.refresh("N"));
    ok!(dispatcher.set("N", 10));
    ok!(dispatcher.set("N", 10));
    assert!(matches!(
        settle!(dispatcher.set("N", "x")),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
    assert_eq!(
        (wire.value("N").as_deref(), wire.status("N").as_deref()),
        (Some("10"), Some("modify"))
    );
    assert_eq!(wire.error("N"), None);
    assert!(wire.remaining_status("N") > 0, "it expires with the dispatcher");
    gate.open();
    assert!(wire.outcome(&written).ends_with(" 50"));
    assert_eq!((wire.status("N").as_deref(), wire.remaining_status("N")), (Some("ready"), -1));
    let mut before = 0;
    for (status, rest) in [("modify", "-1 "), ("modify", "-1  1"), ("modify", "-1  10"), ("", "50")]
    {
        let (_, message) = news.next_message();
        let message = message.strip_prefix(status).unwrap().trim_start();
        let (at, found) = message.split_once(' ').unwrap();
        assert_eq!(found, rest);
        let at = at.parse().unwrap();
        assert!(at > before, "{message}");
        before = at;
    }
    assert_eq!(wire.time("N"), Some(before));
}

async fn the_error_of_a_write_stays_until_the_next_write<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let fails = Arc::new(AtomicBool::new(false));
    let (broken, count) = (fails.clone(), counting::<C>());
    let read = move || match broken.load(Ordering::Relaxed) {
        true => C::loading(Err(SourceDown)),
        false => count(),
    };
    let keyword = Keyword::integer("N").on_write(superstitious::<C>(&Calls::default()));
    let keyword = keyword.on_read(read);
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let mut stands = |status: &str, error: Option<&str>| {
        assert_eq!(
            (wire.status("N").as_deref(), wire.error("N").as_deref()),
            (Some(status), error)
        );
    };

    // The error of a reading is over with the next one.
    fails.store(true, Ordering::Relaxed);
    assert!(settle!(dispatcher.refresh("N")).is_err());
    stands("error", Some("the source is down"));
    fails.store(false, Ordering::Relaxed);
    ok!(dispatcher.refresh("N"));
    stands("ready", None);

    let write = |value: &str| crate::wire(name).1.write("N", value);
    assert_eq!(write("14"), "-it panicked");
    ok!(dispatcher.refresh("N"));
    ok!(dispatcher.set("N", 30));
    fails.store(true, Ordering::Relaxed);
    assert!(settle!(dispatcher.refresh("N")).is_err());
    stands("error", Some("it panicked"));
    assert_eq!(crate::wire(name).1.value("N").as_deref(), Some("30"), "values are still published");
    assert_eq!(write("x"), "-\"x\" is not a number");
    stands("error", Some("\"x\" is not a number"));
    assert_eq!(write("31"), "31");
    stands("ready", None);
}

/// A client of an old Cauldron says `modify` itself, and one of today's takes an error away.
async fn a_status_of_others_is_not_kept<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let keyword = Keyword::integer("N").initial(1);
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    wire.set(".N:status", "modify");
    ok!(dispatcher.set("N", 1));
    assert_eq!(wire.status("N").as_deref(), Some("ready"));
    assert_eq!(wire.write("N", "x"), "-\"x\" is not a number");
    wire.set(".N:status", "ready");
    ok!(dispatcher.set("N", 1));
    assert_eq!((wire.status("N").as_deref(), wire.error("N")), (Some("ready"), None));
}

async fn a_write_goes_on_after_the_server_has_lost_everything<C: Patient>(
    client: C,
    name: &'static str,
) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let passed = gate.clone();
    let keyword = Keyword::integer("N").on_write(move |_| C::wait_for(&passed, ())).initial(1);
    let builder = Dispatcher::builder(&service).keyword(keyword).lease(Duration::from_secs(2));
    let _dispatcher = ok!(builder.serve(&client));
    let written = wire.ask("N", b"5");
    gate.wait_for_a_caller();
    for rest in [".N", ".N:status", "~rc:lease", "~rc:keywords", "~rc:times"] {
        let key = wire.name(rest);
        let _: usize = wire.run(&[b"DEL", key.as_bytes()]);
    }
    assert!(support::eventually(|| wire.value("N").is_some()));
    assert_eq!(wire.status("N").as_deref(), Some("modify"));
    gate.open();
    assert!(wire.outcome(&written).ends_with(" 5"));
    assert_eq!(wire.status("N").as_deref(), Some("ready"));
}
