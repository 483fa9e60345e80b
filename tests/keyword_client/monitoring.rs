//! Values as they change.

use std::sync::mpsc;
use std::time::Duration;

use redis_collections::keyword::KeywordError::UnknownKeyword;
use redis_collections::keyword::{self, Keyword, Kind as Type, Reading, Value};
use redis_collections::{Applied, Error};

use crate::{Watching, delivered, parts, serve, update};
use support::contract::{contract_on_servers, ok, settle};
use support::eventually;
use support::kinds::{SERVER, enable_all_notifications};
use support::servers::PATIENCE;

contract_on_servers! {
    a_monitor_returns_the_present_values_and_then_changes,
    a_value_set_before_the_first_read_is_delivered,
    a_monitor_of_all_keywords_includes_new_ones,
    many_keywords_are_monitored_at_once,
    changes_in_other_databases_are_not_delivered,
    values_have_the_type_that_the_dispatcher_gives_them,
    a_condition_is_waited_for,
    a_watch_may_read_and_write,
}

async fn a_monitor_returns_the_present_values_and_then_changes<C: Watching>(
    client: C,
    name: &'static str,
) {
    enable_all_notifications();
    let (service, name, mut wire) = parts(&client, name);
    let keywords = ["A", "B", "C"].map(|name| Keyword::integer(name).initial(1));
    let dispatcher = serve(&client, &name, keywords).await;
    let mut monitor = ok!(service.monitor(["a", "B", "X"]));
    assert!(monitor.sees_foreign_writes());
    let present = [delivered!(monitor), delivered!(monitor)];
    assert_eq!(present, [update("A", "1"), update("B", "1")]);
    assert!(matches!(
        C::next(&mut monitor).await,
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));

    ok!(dispatcher.set("A", 2));
    ok!(dispatcher.set("A", 2));
    ok!(dispatcher.set("C", 2));
    ok!(service.write("B", "3.5"));
    ok!(dispatcher.set("A", 4));
    let reading = C::next(&mut monitor).await.unwrap();
    assert_eq!((&reading.keyword[..], reading.kind, reading.value), ("A", Type::Integer, 2.into()));
    assert!(reading.set_at.is_some() && reading.set_at <= ok!(service.read("A")).set_at);
    assert_eq!(delivered!(monitor), update("B", "3"));
    assert_eq!(delivered!(monitor), update("A", "4"));

    // Others than dispatchers of this crate only set the key.
    wire.set(".A", "5");
    assert_eq!(delivered!(monitor), update("A", "5"));
    wire.set(".X", "1");
    assert_eq!(delivered!(monitor), update("X", "1"));
    ok!(dispatcher.set("A", 6));
    assert_eq!(delivered!(monitor), update("A", "6"));
}

async fn a_value_set_before_the_first_read_is_delivered<C: Watching>(
    client: C,
    name: &'static str,
) {
    let (service, name, _) = parts(&client, name);
    let dispatcher = serve(&client, &name, [Keyword::integer("N").initial(0)]).await;
    let mut monitors = [ok!(service.monitor(["N"])), ok!(service.monitor_all())];
    for number in 1..=5 {
        ok!(dispatcher.set("N", number));
    }
    for monitor in &mut monitors {
        for number in 0..=5 {
            assert_eq!(delivered!(*monitor), update("N", &number.to_string()));
        }
    }
}

async fn a_monitor_of_all_keywords_includes_new_ones<C: Watching>(client: C, name: &'static str) {
    enable_all_notifications();
    let (service, name, mut wire) = parts(&client, name);
    let keywords = [
        Keyword::string("A").initial("1"),
        Keyword::string("B").initial("1"),
        Keyword::string("W").write_only().on_write(|_| C::loading(Ok(()))),
    ];
    let dispatcher = serve(&client, &name, keywords).await;
    let mut monitor = ok!(service.monitor_all());
    assert_eq!([delivered!(monitor), delivered!(monitor)], [update("A", "1"), update("B", "1")]);
    ok!(service.write("W", "1"));
    wire.set(".C", "1");
    assert_eq!(delivered!(monitor), update("C", "1"));
    ok!(dispatcher.set("B", "2"));
    assert_eq!(delivered!(monitor), update("B", "2"));
}

async fn many_keywords_are_monitored_at_once<C: Watching>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let names: Vec<_> = (0..2500).map(|number| format!("K{number:04}")).collect();
    let keywords = names.iter().map(|name| Keyword::integer(name).initial(0));
    let dispatcher = serve(&client, &name, keywords).await;
    assert_eq!(ok!(service.keywords()).len(), names.len());
    let wanted = &names[1..];
    let mut monitor = ok!(service.monitor(wanted));
    for name in wanted {
        assert_eq!(delivered!(monitor), update(name, "0"));
    }
    ok!(dispatcher.set("K0000", 1));
    let outcomes = ok!(service.write_many(wanted.iter().map(|name| (name, 1)), PATIENCE));
    assert!(outcomes.iter().all(Result::is_ok));
    for name in wanted {
        assert_eq!(delivered!(monitor), update(name, "1"));
    }
}

async fn changes_in_other_databases_are_not_delivered<C: Watching>(client: C, name: &'static str) {
    enable_all_notifications();
    let (service, name, mut wire) = parts(&client, name);
    let elsewhere = C::build(C::builder(&format!("{}3", SERVER.url()))).await.unwrap();
    let dispatcher = serve(&client, &name, [Keyword::integer("N").initial(1)]).await;
    let other = serve(&elsewhere, &name, [Keyword::integer("N").initial(1)]).await;
    let mut monitor = ok!(service.monitor(["N"]));
    assert_eq!(delivered!(monitor), update("N", "1"));
    ok!(other.set("N", 2));
    ok!(keyword::Client::new(&elsewhere).service(&name).write("N", 3));
    ok!(dispatcher.set("N", 4));
    assert_eq!(delivered!(monitor), update("N", "4"));
    assert_eq!(wire.value("N").as_deref(), Some("4"));
    assert!(eventually(|| other.get("N").unwrap() == Some(3.into())));
}

async fn values_have_the_type_that_the_dispatcher_gives_them<C: Watching>(
    client: C,
    name: &'static str,
) {
    let (service, name, _) = parts(&client, name);
    let mut monitor = ok!(service.monitor(["N"]));
    assert!(matches!(
        C::next(&mut monitor).await,
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
    for (keyword, present, next) in [
        (Keyword::double("N").initial(1.5), Value::Number(1.5), Value::Number(2.5)),
        (Keyword::integer("N").initial(5), 5.into(), 6.into()),
        (Keyword::string("N"), "6".into(), "7".into()),
        (Keyword::double("N").initial(7.5), 7.5.into(), 8.0.into()),
        (Keyword::integer("N").initial(9), 9.into(), 10.into()),
        (Keyword::double("N").initial(10.5), 10.5.into(), 11.5.into()),
    ] {
        let dispatcher = serve(&client, &name, [keyword]).await;
        assert_eq!(C::next(&mut monitor).await.unwrap().value, present);
        ok!(dispatcher.set("N", next.clone()));
        assert_eq!(C::next(&mut monitor).await.unwrap().value, next);
        ok!(dispatcher.shutdown());
    }
}

async fn a_condition_is_waited_for<C: Watching>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let dispatcher = serve(&client, &name, [Keyword::integer("N").initial(1)]).await;
    let is = |wanted: i64| move |reading: &Reading| reading.value.as_i64() == Some(wanted);
    assert_eq!(ok!(service.wait_for("N", is(1), Duration::ZERO)).text, "1");
    let late = settle!(service.wait_for("N", is(2), Duration::from_millis(50)));
    let Err(error @ Error::Timeout { .. }) = late else { panic!("{late:?}") };
    assert_eq!(error.applied(), Applied::No);
    let unknown = settle!(service.wait_for("X", is(1), PATIENCE));
    assert!(matches!(unknown, Err(Error::Keyword { source: UnknownKeyword, .. })));

    let (begun, looks) = mpsc::channel();
    let (waiting, found) = mpsc::channel();
    let condition = move |reading: &Reading| {
        begun.send(()).unwrap();
        reading.value == Value::Integer(3)
    };
    let elsewhere = service.clone();
    let waiter = std::thread::spawn(move || {
        let outcome = C::finish(C::settle(elsewhere.wait_for("N", condition, PATIENCE)));
        waiting.send(outcome.map(|reading| reading.text)).unwrap();
    });
    looks.recv_timeout(PATIENCE).unwrap();
    for number in [2, 3] {
        ok!(dispatcher.set("N", number));
    }
    assert_eq!(found.recv_timeout(PATIENCE).unwrap().unwrap(), "3");
    waiter.join().unwrap();
}

async fn a_watch_may_read_and_write<C: Watching>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let keywords = [Keyword::integer("N").initial(1), Keyword::integer("TWICE")];
    let dispatcher = serve(&client, &name, keywords).await;
    let (report, reports) = mpsc::channel();
    let within = service.clone();
    let watch = ok!(service.watch(["N"], move |reading| {
        let number = reading.value.as_i64().unwrap();
        assert_ne!(number, 2, "of a test");
        report.send(number).unwrap();
        C::doubling(within.clone(), number)
    }));
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(1));
    for number in [2, 3] {
        ok!(dispatcher.set("N", number));
    }
    let twice = |wanted: i64| move |reading: &Reading| reading.value == Value::Integer(wanted);
    ok!(service.wait_for("TWICE", twice(6), PATIENCE));
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(3));
    drop(watch);
    // Its captures are dropped with it.
    assert!(
        reports.recv_timeout(PATIENCE).is_err_and(|error| error != mpsc::RecvTimeoutError::Timeout)
    );
}
