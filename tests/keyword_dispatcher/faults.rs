//! Dispatchers whose server or connection fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_collections::keyword::KeywordError::AlreadyServed;
use redis_collections::keyword::{Dispatcher, Keyword, Value};
use redis_collections::{Error, LocalServer};

use crate::{Calls, Gate, Patient, superstitious};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::servers::proxy::{Direction, Proxy};
use support::servers::query;
use support::wire::Wire;

on_both_kinds! {
    a_dispatcher_that_is_cut_off_loses_the_name,
    a_server_that_was_emptied_gets_everything_again,
    a_rolled_back_server_receives_the_newer_values,
    deleted_keys_are_restored,
    a_lost_connection_loses_no_outcome,
    an_outcome_that_was_read_is_not_made_again,
    a_write_only_keyword_has_no_value_after_a_reconnection,
    changes_are_delivered_once_and_in_order_though_replies_are_lost,
}

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_millis(1500);

/// A server of its own, behind a proxy.
struct Fixture<C> {
    server: LocalServer,
    proxy: Proxy,
    client: C,
    gate: Gate,
}

impl<C: Patient> Fixture<C> {
    async fn new() -> Self {
        let server = LocalServer::start().unwrap();
        let proxy = Proxy::to(server.port()).unwrap();
        let client = C::build(C::builder(&proxy.url())).await.unwrap();
        Self { server, proxy, client, gate: Gate::default() }
    }

    fn wire(&self) -> Wire {
        Wire::to(self.server.url(), "dome")
    }

    async fn serve(&self, client: &C) -> redis_collections::Result<Dispatcher<C>> {
        let gate = self.gate.clone();
        let builder = Dispatcher::builder("dome")
            .keyword(Keyword::integer("SLOW").on_write(move |_| C::wait_for(&gate, ())))
            .keyword(Keyword::integer("N"))
            .lease(LEASE);
        settle!(builder.serve(client))
    }
}

async fn a_dispatcher_that_is_cut_off_loses_the_name<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let mut wire = fixture.wire();
    let direct = C::build(C::builder(fixture.server.url())).await.unwrap();
    let first = fixture.serve(&fixture.client).await.unwrap();
    wire.ask("SLOW", b"1");
    fixture.gate.wait_for_a_caller();
    assert!(eventually(|| wire.status("SLOW").as_deref() == Some("modify")));
    fixture.proxy.refuse();
    fixture.proxy.kill();
    let early = fixture.serve(&direct).await;
    assert!(matches!(early, Err(Error::Keyword { source: AlreadyServed, .. })), "{early:?}");
    assert!(eventually(|| wire.lease().is_none()));
    assert!(eventually(|| wire.status("SLOW").as_deref() != Some("modify")));
    let second = fixture.serve(&direct).await.unwrap();
    ok!(second.set("N", 2));
    fixture.proxy.accept().unwrap();
    fixture.gate.open();
    assert!(eventually(|| !first.is_serving()));
    let refused = settle!(first.set("N", 1));
    assert!(matches!(refused, Err(Error::Keyword { source: AlreadyServed, .. })), "{refused:?}");
    ok!(first.shutdown());
    assert!(second.is_serving() && wire.is_registered());
    assert_eq!(wire.value("N").as_deref(), Some("2"));
    // The listener of the first one ends beside it.
    assert!(eventually(|| wire.listeners() == 1));
    assert_eq!((wire.write("SLOW", "3"), wire.write("N", "3")), ("3".into(), "3".into()));
}

async fn a_server_that_was_emptied_gets_everything_again<C: Patient>() {
    let mut fixture = Fixture::<C>::new().await;
    let dispatcher = fixture.serve(&fixture.client).await.unwrap();
    ok!(dispatcher.set("N", 7));
    for restart in [true, false] {
        match restart {
            true => fixture.server.restart().unwrap(),
            false => query(fixture.server.url(), "FLUSHALL").unwrap(),
        }
        let mut wire = fixture.wire();
        assert!(eventually(|| wire.value("N").as_deref() == Some("7")), "{restart}");
        assert_eq!(wire.get(".N:type").as_deref(), Some("integer"));
        assert_eq!(wire.status("N").as_deref(), Some("ready"));
        assert_eq!(wire.status("SLOW").as_deref(), Some("init"));
        assert!(wire.is_registered() && wire.lease().is_some());
        assert!(eventually(|| wire.modify("N", b"7") == 1), "it listens again");
        assert_eq!(wire.write("N", "8"), "8");
        assert_eq!(wire.write("N", "7"), "7");
    }
}

async fn a_rolled_back_server_receives_the_newer_values<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let dispatcher = fixture.serve(&fixture.client).await.unwrap();
    ok!(dispatcher.set("N", 7));
    let mut wire = fixture.wire();
    let times = wire.name("~rc:times");
    wire.set(".N", "1");
    let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", b"1"]);
    fixture.proxy.kill();
    assert!(eventually(|| wire.value("N").as_deref() == Some("7")));
    assert!(wire.time("N") > Some(1));
}

async fn deleted_keys_are_restored<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let dispatcher = fixture.serve(&fixture.client).await.unwrap();
    ok!(dispatcher.set("N", 7));
    let mut wire = fixture.wire();
    for (key, value) in [(".N", "7"), (".SLOW", ""), (".N:type", "integer")] {
        let name = wire.name(key);
        let _: usize = wire.run(&[b"DEL", name.as_bytes()]);
        assert!(eventually(|| wire.get(key).as_deref() == Some(value)), "{key}");
    }
    assert_eq!(wire.status("N").as_deref(), Some("ready"));
    let _: usize = wire.run(&[b"DEL", b"Cauldron.redis.common.SERVICES_REGISTRY"]);
    assert!(eventually(|| wire.is_registered()));
}

async fn a_lost_connection_loses_no_outcome<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let dispatcher = fixture.serve(&fixture.client).await.unwrap();
    let mut wire = fixture.wire();
    let asked = wire.ask("SLOW", b"1");
    fixture.gate.wait_for_a_caller();
    fixture.proxy.refuse();
    fixture.proxy.kill();
    fixture.gate.open();
    fixture.proxy.accept().unwrap();
    assert!(wire.outcome(&asked).ends_with(" 1"));
    assert!(eventually(|| dispatcher.get("SLOW").unwrap() == Some(Value::Integer(1))));
    assert!(eventually(|| wire.modify("N", b"5") == 1), "it listens again");
    assert!(eventually(|| wire.value("N").as_deref() == Some("5")));
    assert!(dispatcher.is_serving());
}

async fn an_outcome_that_was_read_is_not_made_again<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let dispatcher = fixture.serve(&fixture.client).await.unwrap();
    let mut wire = fixture.wire();
    // The server knows the script by now.
    assert_eq!(wire.write("N", "1"), "1");
    let asked = wire.ask("SLOW", b"1");
    fixture.gate.wait_for_a_caller();
    let (mut reader, outcome) = (fixture.wire(), asked.clone());
    let reading = std::thread::spawn(move || reader.outcome(&outcome));
    let blocked = || query::<String>(fixture.server.url(), "INFO clients").unwrap();
    assert!(eventually(|| blocked().contains("blocked_clients:1")));
    // The value is set, and the reply does not reach the dispatcher.
    fixture.proxy.cut_after(0, Direction::Replies);
    fixture.gate.open();
    let outcome = reading.join().unwrap();
    let (at, text) = outcome.split_once(' ').unwrap();
    assert!(eventually(|| dispatcher.get("SLOW").unwrap() == Some(Value::Integer(1))));
    assert_eq!((wire.time("SLOW").map(|at| format!("+{at}")).as_deref(), text), (Some(at), "1"));
    let list = wire.name(&format!("~rc:outcome:{asked}"));
    assert_eq!(wire.run::<usize>(&[b"EXISTS", list.as_bytes()]), 0);
}

async fn a_write_only_keyword_has_no_value_after_a_reconnection<C: Patient>() {
    let fixture = Fixture::<C>::new().await;
    let (calls, mut wire) = (Calls::default(), fixture.wire());
    let command = Keyword::string("COMMAND").write_only().on_write(superstitious::<C>(&calls));
    let builder = Dispatcher::builder("dome").keyword(command).keyword(Keyword::integer("N"));
    let dispatcher = ok!(builder.serve(&fixture.client));
    assert_eq!((wire.write("COMMAND", "open"), calls.counted()), ("open".into(), 1));
    let times = wire.name("~rc:times");
    wire.set(".N", "7");
    let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", b"4000000000000000"]);
    fixture.proxy.kill();
    assert!(eventually(|| dispatcher.get("N").unwrap() == Some(Value::Integer(7))));
    assert_eq!(dispatcher.get("COMMAND").unwrap(), None);
    assert!(eventually(|| wire.listeners() == 1));
    assert_eq!((wire.write("COMMAND", ""), calls.counted()), (String::new(), 2));
}

async fn changes_are_delivered_once_and_in_order_though_replies_are_lost<C: Patient>() {
    const THREADS: usize = 3;
    const ALL: usize = 600;
    let fixture = Fixture::<C>::new().await;
    let changes: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = changes.clone();
    let keyword = Keyword::integer("N")
        .history(2 * ALL)
        .on_change(move |change| noted.lock().unwrap().push(change.value.to_string()));
    let dispatcher = ok!(Dispatcher::builder("dome").keyword(keyword).serve(&fixture.client));
    let mut published = fixture.wire().listen(&["~rc:changed:N"]);
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let number = begun.fetch_add(1, Ordering::SeqCst)
                    && number < ALL
                {
                    let set = dispatcher.set("N", number as i64);
                    // Whatever it comes to.
                    let _ = C::finish(async { C::settle(set).await });
                }
            });
        }
        for kills in 1..ALL / 20 {
            assert!(eventually(|| begun.load(Ordering::SeqCst) >= 20 * kills));
            let kill = "CLIENT KILL TYPE normal SKIPME yes";
            let _: i64 = query(fixture.server.url(), kill).unwrap();
        }
    });
    while settle!(dispatcher.set("N", -1)).is_err() {}
    let next = || published.next_message().1.split_once(' ').unwrap().1.to_owned();
    let mut expected: Vec<_> = std::iter::repeat_with(next).take_while(|it| it != "-1").collect();
    expected.push("-1".into());
    assert!(eventually(|| changes.lock().unwrap().last().is_some_and(|last| last == "-1")));
    assert_eq!(*changes.lock().unwrap(), expected, "in the order of the server");
    let history = dispatcher.history("N").unwrap();
    let history: Vec<_> = history.into_iter().map(|(_, value)| value.to_string()).collect();
    assert_eq!(history, expected);
}
