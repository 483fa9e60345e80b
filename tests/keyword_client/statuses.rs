//! Statuses, errors and dispatchers that come and go, as monitors and waits see them.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use redis_collections::keyword::{Keyword, Reading, Status};

use crate::{Watching, parts, serve};
use support::contract::{contract_on_servers, ok, on_both_kinds, settle};
use support::kinds::{Kind, enable_all_notifications, server_without_notifications};
use support::servers::PATIENCE;
use support::wire::Wire;

contract_on_servers! {
    the_statuses_of_a_write_are_delivered,
    a_status_is_waited_for,
    dispatchers_are_seen_to_come_and_go,
    a_keyword_that_its_service_has_no_more_is_not_served,
    a_dispatcher_that_ends_before_the_first_read_is_noticed,
    a_dispatcher_is_seen_to_die,
    a_write_is_seen_to_expire_with_its_dispatcher,
    statuses_of_cauldron_are_seen,
}

on_both_kinds! { statuses_are_seen_without_notifications }

/// Why a hook fails for 13.
fn fails_for_13<C: Kind>(value: redis_collections::keyword::Value) -> C::Loading<()> {
    C::loading(match value.as_i64() {
        Some(13) => Err(support::kinds::SourceDown),
        _ => Ok(()),
    })
}

fn seen(reading: Reading) -> (Status, Option<String>, String) {
    (reading.status, reading.error, reading.text)
}

fn as_seen(status: Status, error: Option<&str>, text: &str) -> (Status, Option<String>, String) {
    (status, error.map(String::from), text.to_owned())
}

async fn expect_the_course_of_two_writes<C: Watching>(
    client: &C,
    service: &redis_collections::keyword::Service<C>,
    name: &str,
) {
    let keyword = Keyword::integer("N").initial(1).on_write(fails_for_13::<C>);
    let dispatcher = serve(client, name, [keyword]).await;
    let mut one = ok!(service.monitor(["N"]));
    let mut all = ok!(service.monitor_all());
    for monitor in [&mut one, &mut all] {
        assert_eq!(seen(C::next(monitor).await.unwrap()), as_seen(Status::Ready, None, "1"));
    }
    ok!(service.write("N", 2));
    ok!(dispatcher.set("N", 3));
    assert!(C::settle(service.write("N", 13)).await.is_err());
    ok!(dispatcher.set("N", 4));
    ok!(service.write("N", 5));
    let error = Some("the source is down");
    for monitor in [&mut one, &mut all] {
        for expected in [
            as_seen(Status::Modify, None, "1"),
            as_seen(Status::Ready, None, "2"),
            as_seen(Status::Ready, None, "3"),
            as_seen(Status::Modify, None, "3"),
            as_seen(Status::Error, error, "3"),
            as_seen(Status::Error, error, "4"),
            as_seen(Status::Modify, error, "4"),
            as_seen(Status::Ready, None, "5"),
        ] {
            assert_eq!(seen(C::next(monitor).await.unwrap()), expected);
        }
    }
}

async fn the_statuses_of_a_write_are_delivered<C: Watching>(client: C, name: &'static str) {
    enable_all_notifications();
    let (service, name, _) = parts(&client, name);
    expect_the_course_of_two_writes(&client, &service, &name).await;
}

async fn statuses_are_seen_without_notifications<C: Watching>() {
    let (_server, client): (_, C) = server_without_notifications().await;
    let service = redis_collections::keyword::Client::new(&client).service("dome");
    expect_the_course_of_two_writes(&client, &service, "dome").await;
}

async fn a_status_is_waited_for<C: Watching>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let (go, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    let slow = Keyword::integer("N").initial(1).on_write(move |_| C::hanging(gate.clone()));
    let plain = Keyword::integer("M").initial(1);
    let _dispatcher = serve(&client, &name, [slow, plain]).await;
    ok!(service.write_nowait("N", 2));
    let is = |status: Status| move |reading: &Reading| reading.status == status;
    let wait = |keyword: &'static str, status: Status| {
        let (waits, looks) = mpsc::channel();
        let elsewhere = service.clone();
        let waiter = thread::spawn(move || {
            let condition = move |reading: &Reading| {
                let _ = waits.send(());
                reading.status == status
            };
            C::finish(C::settle(elsewhere.wait_for(keyword, condition, PATIENCE)))
        });
        // At once, and when it listens.
        (0..2).for_each(|_| looks.recv_timeout(PATIENCE).unwrap());
        waiter
    };
    ok!(service.wait_for("N", is(Status::Modify), PATIENCE));
    let late = settle!(service.wait_for("N", |_| false, Duration::from_millis(1))).unwrap_err();
    assert!(late.to_string().ends_with("the condition was not met in time"), "{late}");
    let ready = wait("N", Status::Ready);
    go.send(()).unwrap();
    assert_eq!(ready.join().unwrap().unwrap().text, "2");
    // The value stays the same.
    let failed = wait("M", Status::Error);
    ok!(service.write_nowait("M", "x"));
    let failed = failed.join().unwrap().unwrap();
    assert!(failed.error.is_some_and(|error| error.contains("not a number")));
    let ready = wait("M", Status::Ready);
    ok!(service.write_nowait("M", 1));
    assert_eq!(ready.join().unwrap().unwrap().error, None);
}

async fn dispatchers_are_seen_to_come_and_go<C: Watching>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let serve = async || serve(&client, &name, ["A", "B"].map(Keyword::integer)).await;
    let dispatcher = serve().await;
    ok!(dispatcher.set("A", 1));
    let mut monitor = ok!(service.monitor(["A"]));
    let mut all = ok!(service.monitor_all());
    assert!(C::next(&mut monitor).await.unwrap().is_served);
    for _ in ["A", "B"] {
        assert!(C::next(&mut all).await.unwrap().is_served);
    }
    drop(dispatcher);
    for _ in ["A", "B"] {
        assert!(!C::next(&mut all).await.unwrap().is_served);
    }
    assert!(!C::next(&mut monitor).await.unwrap().is_served);
    assert!(!ok!(service.read("A")).is_served);
    let _dispatcher = serve().await;
    let back = C::next(&mut monitor).await.unwrap();
    assert_eq!((back.is_served, &back.text[..]), (true, "1"));
    assert!(ok!(service.read("A")).is_served);
}

async fn a_keyword_that_its_service_has_no_more_is_not_served<C: Watching>(
    client: C,
    name: &'static str,
) {
    let (service, name, mut wire) = parts(&client, name);
    let keywords = ["A", "B"].map(|name| Keyword::integer(name).initial(1));
    let dispatcher = serve(&client, &name, keywords).await;
    let mut monitor = ok!(service.monitor(["A"]));
    assert!(C::next(&mut monitor).await.unwrap().is_served);
    // As one that has crashed, so that the next one takes its place unnoticed.
    let lease = wire.name("~rc:lease");
    let _: usize = wire.run(&[b"DEL", lease.as_bytes()]);
    let _next = serve(&client, &name, [Keyword::integer("B").initial(2)]).await;
    let is_gone = |reading: &Reading| !reading.is_served;
    assert_eq!(ok!(service.wait_for("A", is_gone, PATIENCE)).text, "1");
    assert!(!C::next(&mut monitor).await.unwrap().is_served);
    let named: Vec<_> = ok!(service.keywords()).into_iter().map(|known| known.name).collect();
    assert_eq!(named, ["B"]);
    assert_eq!([ok!(service.contains("A")), ok!(service.contains("B"))], [false, true]);
    assert!(settle!(service.describe("A")).is_err() && settle!(service.write("A", 1)).is_err());
    assert!(ok!(service.read("B")).is_served);
    drop(dispatcher);
}

async fn a_dispatcher_that_ends_before_the_first_read_is_noticed<C: Watching>(
    client: C,
    name: &'static str,
) {
    let (service, name, _) = parts(&client, name);
    let dispatcher = serve(&client, &name, [Keyword::integer("N").initial(1)]).await;
    let mut monitors = [ok!(service.monitor(["N"])), ok!(service.monitor_all())];
    ok!(dispatcher.shutdown());
    for monitor in &mut monitors {
        for is_served in [true, false] {
            assert_eq!(C::next(monitor).await.unwrap().is_served, is_served);
        }
    }
}

/// A dispatcher whose lease lasts for so many milliseconds and is not renewed.
fn dying(wire: &mut Wire, lease: &str) {
    let (key, holder) = (wire.name("~rc:lease"), format!("dead/{lease}"));
    let () = wire.run(&[b"SET", key.as_bytes(), holder.as_bytes(), b"PX", lease.as_bytes()]);
    wire.register();
    wire.set(".N", "1");
    wire.set(".N:type", "integer");
    let keywords = wire.name("~rc:keywords");
    let described = br#"{"name": "N", "type": "integer"}"#;
    let _: usize = wire.run(&[b"HSET", keywords.as_bytes(), b"N", described]);
}

async fn a_dispatcher_is_seen_to_die<C: Watching>(client: C, name: &'static str) {
    let (service, _, mut wire) = parts(&client, name);
    dying(&mut wire, "700");
    let mut monitor = ok!(service.monitor(["N"]));
    assert!(C::next(&mut monitor).await.unwrap().is_served);
    let dead = ok!(service.wait_for("N", |reading| !reading.is_served, PATIENCE));
    assert_eq!(dead.text, "1");
    assert!(!C::next(&mut monitor).await.unwrap().is_served);
}

async fn a_write_is_seen_to_expire_with_its_dispatcher<C: Watching>(client: C, name: &'static str) {
    let (service, _, mut wire) = parts(&client, name);
    dying(&mut wire, "700");
    let status = wire.name(".N:status");
    // After the lease: a write begins later than that was renewed.
    let () = wire.run(&[b"SET", status.as_bytes(), b"modify", b"PX", b"1500"]);
    let mut monitors = [ok!(service.monitor(["N"])), ok!(service.monitor_all())];
    let is_over = |reading: &Reading| reading.status != Status::Modify;
    assert_eq!(ok!(service.wait_for("N", is_over, PATIENCE)).status, Status::Unknown);
    for monitor in &mut monitors {
        let last = loop {
            let reading = C::next(monitor).await.unwrap();
            if is_over(&reading) {
                break reading;
            }
        };
        assert_eq!((last.status, last.is_served), (Status::Unknown, false));
    }
}

async fn statuses_of_cauldron_are_seen<C: Watching>(client: C, name: &'static str) {
    enable_all_notifications();
    let (service, _, mut wire) = parts(&client, name);
    wire.register();
    let set = |wire: &mut Wire, value: &str, status: &str| {
        wire.set(".N", value);
        wire.set(".N:status", status);
    };
    set(&mut wire, "1", "ready");
    let mut one = ok!(service.monitor(["N"]));
    let mut all = ok!(service.monitor_all());
    for (value, status, expected) in [
        ("1", "ready", Status::Ready),
        ("1", "modify", Status::Modify),
        ("1", "error", Status::Error),
    ] {
        set(&mut wire, value, status);
        for monitor in [&mut one, &mut all] {
            let reading = C::next(monitor).await.unwrap();
            assert_eq!((reading.status, reading.is_served), (expected, true));
        }
    }
}
