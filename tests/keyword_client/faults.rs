//! Clients of keyword services while something goes wrong.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use redis_collections::keyword::KeywordError::{NotServed, Refused, UnknownKeyword};
use redis_collections::keyword::{self, Dispatcher, Keyword, Status};
use redis_collections::{Applied, AsyncClient, Client, Error, LocalServer};

use crate::{Watching, delivered, serve, update};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::{Kind, RUNTIME, server_without_notifications};
use support::servers::proxy::{Direction, Proxy};
use support::servers::{PATIENCE, query};
use support::wire::Wire;

on_both_kinds! {
    two_writers_have_an_outcome_each,
    a_hook_that_hangs_leaves_the_outcome_open,
    many_outcomes_are_waited_for_no_longer_than_one,
    a_written_value_has_the_type_that_is_known_with_its_outcome,
    a_dispatcher_that_dies_leaves_nothing_for_ever,
    an_outcome_arrives_after_the_connection_was_lost,
    a_request_whose_reply_is_lost_is_not_carried_out_twice,
    a_dispatcher_that_reconnects_receives_the_request,
    missed_changes_are_delivered_after_a_reconnection,
    no_value_is_followed_by_an_older_one,
    changes_are_delivered_after_a_restart_of_the_server,
    a_bystander_with_a_pattern_is_no_dispatcher,
    settings_of_other_programs_are_kept,
    a_key_of_a_wrong_type_is_named,
    changes_of_dispatchers_are_delivered_without_notifications,
}

/// Long enough for a busy machine to make a request.
const A_SECOND: Duration = Duration::from_secs(1);

/// A hook that waits until it may go on, and says so.
struct Gate {
    begun: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

fn gated<C: Watching>(keyword: Keyword<C>) -> (Keyword<C>, Gate) {
    let ((begin, begun), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let may_go_on = Arc::new(Mutex::new(may_go_on));
    let keyword = keyword.on_write(move |_| {
        let _ = begin.send(());
        C::hanging(may_go_on.clone())
    });
    (keyword, Gate { begun, go_on })
}

/// How often a server was given a command.
fn calls(server: &LocalServer, command: &str) -> usize {
    let statistics: String = query(server.url(), "INFO commandstats").unwrap();
    let begin = format!("cmdstat_{command}:calls=");
    let calls = statistics.lines().find_map(|line| line.strip_prefix(&begin)?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

async fn connect<C: Kind>(url: &str) -> C {
    C::build(C::builder(url)).await.unwrap()
}

/// A write on a thread of its own.
fn write<C: Kind>(
    client: &C,
    number: i32,
    time: Duration,
) -> thread::JoinHandle<redis_collections::Result<String>> {
    let service = keyword::Client::new(client).service("dome");
    thread::spawn(move || {
        let written = C::finish(C::settle(service.write_within("N", number, time)));
        written.map(|reading| reading.text)
    })
}

async fn two_writers_have_an_outcome_each<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let even = |value: &keyword::Value| match value.as_i64() {
        Some(number) if number % 2 == 0 => Ok(()),
        _ => Err(format!("{value} is odd")),
    };
    let _dispatcher = serve(&client, "dome", [Keyword::integer("N").check(even)]).await;
    let writers = [0, 1].map(|remainder| {
        let service = keyword::Client::new(&client).service("dome");
        thread::spawn(move || {
            for number in (0..50).map(|number| 2 * number + remainder) {
                let text = number.to_string();
                match C::finish(C::settle(service.write("N", number))) {
                    Ok(reading) if remainder == 0 => assert_eq!(reading.text, text),
                    Err(Error::Keyword { source: Refused { reason, .. }, .. })
                        if remainder == 1 =>
                    {
                        assert_eq!(reason, text + " is odd");
                    }
                    outcome => panic!("{number}: {outcome:?}"),
                }
            }
        })
    });
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

async fn a_hook_that_hangs_leaves_the_outcome_open<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let (keyword, gate) = gated(Keyword::integer("N").initial(1));
    let _dispatcher = serve(&client, "dome", [keyword]).await;
    let service = keyword::Client::new(&client).service("dome");
    let outcome = settle!(service.write_within("N", 2, A_SECOND));
    let Err(error @ Error::Timeout { .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.applied(), Applied::Perhaps);
    let reading = ok!(service.read("N"));
    assert_eq!((&reading.text[..], reading.status), ("1", Status::Modify));
    gate.go_on.send(()).unwrap();
    ok!(service.wait_for("N", |reading| reading.text == "2", PATIENCE));
}

async fn many_outcomes_are_waited_for_no_longer_than_one<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let mut wire = Wire::to(server.url(), "dome");
    wire.set("~rc:lease", "another");
    let _hangs = wire.listen(&["~rc:request:another"]);
    let service = keyword::Client::new(&client).service("dome");
    let writes = (0..100).map(|number| ("N", number));
    let count = writes.len();
    let outcomes = ok!(service.write_many(writes, Duration::from_millis(50)));
    let is_open = |outcome: &_| matches!(outcome, Err(Error::Timeout { .. }));
    assert_eq!(outcomes.iter().filter(|outcome| is_open(outcome)).count(), count);
    let [waits, looks] = ["blmove", "lindex"].map(|name| calls(&server, name));
    assert!(waits < count && looks < waits * count, "{waits} {looks}");
}

/// The dispatcher receives requests before it has published its keywords.
async fn a_written_value_has_the_type_that_is_known_with_its_outcome<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let mut wire = Wire::to(server.url(), "dome");
    wire.set("~rc:lease", "another");
    let mut requests = wire.listen(&["~rc:request:another"]);
    let service = keyword::Client::new(&client).service("dome");
    let writer = std::thread::spawn(move || {
        C::finish(C::settle(service.write_within("N", 5, PATIENCE))).unwrap()
    });
    let (_, request) = requests.next_message();
    let outcome = wire.name(&format!("~rc:outcome:{}", request.lines().next().unwrap()));
    wire.set(".N:type", "integer");
    let _: usize = wire.run(&[b"RPUSH", outcome.as_bytes(), b"+7 5"]);
    assert_eq!(writer.join().unwrap().value, 5.into());
}

async fn a_dispatcher_that_dies_leaves_nothing_for_ever<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, mortal): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let (keyword, gate) = gated(Keyword::integer("N").initial(1));
    let lease = Duration::from_millis(1500);
    let dispatcher =
        Dispatcher::builder("dome").keyword(keyword).lease(lease).grace(Duration::ZERO);
    let dispatcher = ok!(dispatcher.serve(&mortal));
    let writer = write(&client, 2, A_SECOND);
    gate.begun.recv_timeout(PATIENCE).unwrap();
    proxy.refuse();
    proxy.kill();
    let outcome = writer.join().unwrap();
    assert!(
        matches!(&outcome, Err(error @ Error::Timeout { .. })
            if error.applied() == Applied::Perhaps),
        "{outcome:?}"
    );
    let mut wire = Wire::to(server.url(), "dome");
    let left = wire.remaining_status("N");
    assert!(left != -1 && left <= lease.as_millis() as i64, "it stays for {left} ms");
    assert!(eventually(|| wire.lease().is_none() && wire.status("N").is_none()));
    let service = keyword::Client::new(&client).service("dome");
    assert!(matches!(
        settle!(service.write("N", 3)),
        Err(Error::Keyword { source: NotServed, .. })
    ));
    let _next = serve(&client, "dome", [Keyword::integer("N")]).await;
    let reading = ok!(service.read("N"));
    assert_eq!((&reading.text[..], reading.status), ("1", Status::Ready));
    assert_eq!(ok!(service.write("N", 3)).text, "3");
    drop((gate, dispatcher));
}

async fn an_outcome_arrives_after_the_connection_was_lost<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, distant): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let (keyword, gate) = gated(Keyword::integer("N").initial(1));
    let _dispatcher = serve(&client, "dome", [keyword]).await;
    let writer = write(&distant, 2, PATIENCE);
    gate.begun.recv_timeout(PATIENCE).unwrap();
    proxy.refuse();
    proxy.kill();
    gate.go_on.send(()).unwrap();
    let service = keyword::Client::new(&client).service("dome");
    ok!(service.wait_for("N", |reading| reading.text == "2", PATIENCE));
    proxy.accept().unwrap();
    assert_eq!(writer.join().unwrap().unwrap(), "2");
}

async fn a_request_whose_reply_is_lost_is_not_carried_out_twice<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, distant): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let mut wire = Wire::to(server.url(), "dome");
    let _dispatcher = serve(&client, "dome", [Keyword::integer("N")]).await;
    let holder = wire.lease().unwrap();
    let mut requests = wire.listen(&[&format!("~rc:request:{holder}")]);
    let service = keyword::Client::new(&distant).service("dome");
    assert_eq!(ok!(service.write("N", 1)).text, "1");
    for number in 2..5 {
        distant.check().await.unwrap();
        proxy.cut_after(0, Direction::Replies);
        assert_eq!(ok!(service.write("N", number)).value, number.into());
    }
    let channel = wire.requests_channel();
    let _: usize = wire.run(&[b"PUBLISH", channel.as_bytes(), b"end"]);
    let made =
        std::iter::from_fn(|| Some(requests.next_message().1).filter(|request| request != "end"));
    assert_eq!(made.count(), 4);
}

async fn a_dispatcher_that_reconnects_receives_the_request<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, distant): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let lease = Duration::from_secs(60);
    let dispatcher = Dispatcher::builder("dome").lease(lease).keyword(Keyword::integer("N"));
    let _dispatcher = ok!(dispatcher.serve(&distant));
    proxy.refuse();
    proxy.kill();
    let mut wire = Wire::to(server.url(), "dome");
    assert!(eventually(|| wire.modify("N", b"1") == 0));
    let writer = write(&client, 2, PATIENCE);
    proxy.accept().unwrap();
    assert_eq!(writer.join().unwrap().unwrap(), "2");
}

async fn missed_changes_are_delivered_after_a_reconnection<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, distant): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let keywords = ["A", "B", "C"].map(|name| Keyword::integer(name).initial(1));
    let dispatcher = serve(&client, "dome", keywords).await;
    let service = keyword::Client::new(&distant).service("dome");
    let mut monitors = [ok!(service.monitor(["A", "B", "C"])), ok!(service.monitor_all())];
    for monitor in &mut monitors {
        assert_eq!(
            [delivered!(*monitor), delivered!(*monitor), delivered!(*monitor)]
                .map(|(name, _)| name),
            ["A", "B", "C"]
        );
    }
    for number in [2, 4, 6] {
        proxy.refuse();
        proxy.kill();
        ok!(dispatcher.set("B", number));
        ok!(dispatcher.set("B", number + 1));
        proxy.accept().unwrap();
        for monitor in &mut monitors {
            assert_eq!(delivered!(*monitor), update("B", &(number + 1).to_string()));
        }
    }
}

/// The server has lost the last values, as a replica may that becomes the master.
async fn no_value_is_followed_by_an_older_one<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let proxies = [(); 2].map(|()| Proxy::to(server.port()).unwrap());
    let [serves, listens]: [C; 2] =
        [connect(&proxies[0].url()).await, connect(&proxies[1].url()).await];
    let dispatcher = serve(&serves, "dome", [Keyword::integer("N").initial(1)]).await;
    let mut monitor = ok!(keyword::Client::new(&listens).service("dome").monitor(["N"]));
    ok!(dispatcher.set("N", 2));
    assert_eq!([delivered!(monitor), delivered!(monitor)], [update("N", "1"), update("N", "2")]);
    let mut wire = Wire::to(server.url(), "dome");
    let times = wire.name("~rc:times");
    proxies.iter().for_each(Proxy::refuse);
    proxies.iter().for_each(Proxy::kill);
    wire.set(".N", "1");
    let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", b"1"]);
    let listeners = || query::<String>(server.url(), "CLIENT LIST TYPE pubsub").unwrap();
    assert!(eventually(|| listeners().is_empty()));
    proxies[1].accept().unwrap();
    // The old value is looked at before the dispatcher comes back.
    let looks = calls(&server, "mget");
    let looker = std::thread::spawn(move || {
        let next = C::finish(async { delivered!(monitor) });
        (monitor, next)
    });
    assert!(eventually(|| calls(&server, "mget") > looks));
    proxies[0].accept().unwrap();
    assert!(eventually(|| wire.value("N").as_deref() == Some("2")));
    while settle!(dispatcher.set("N", 3)).is_err() {}
    let (_monitor, next) = looker.join().unwrap();
    assert_eq!(next, update("N", "3"));
}

async fn a_bystander_with_a_pattern_is_no_dispatcher<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let mut wire = Wire::to(server.url(), "dome");
    let mut bystander = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd("PSUBSCRIBE").arg("*").exec(&mut bystander).unwrap();
    // Its dispatcher does not listen any more.
    wire.set("~rc:lease", "another");
    let service = keyword::Client::new(&client).service("dome");
    for outcome in [
        settle!(service.write_within("N", 1, Duration::from_millis(50))).map(drop),
        settle!(service.write_nowait("N", 1)),
    ] {
        let Err(error @ Error::Keyword { source: NotServed, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(error.applied(), Applied::No);
    }
}

async fn changes_are_delivered_after_a_restart_of_the_server<C: Watching>() {
    let mut server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let dispatcher = serve(&client, "dome", [Keyword::integer("N").initial(1)]).await;
    let service = keyword::Client::new(&client).service("dome");
    let mut monitor = ok!(service.monitor(["N"]));
    assert_eq!(delivered!(monitor), update("N", "1"));
    server.restart().unwrap();
    // Until the dispatcher has a connection again.
    while settle!(dispatcher.set("N", 2)).is_err() {}
    loop {
        match C::next(&mut monitor).await {
            // The type comes back with the other keys that the server has lost.
            Ok(reading) if reading.value == 2.into() => break,
            Ok(_) | Err(Error::Keyword { source: UnknownKeyword, .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(ok!(service.write("N", 3)).text, "3");
    assert_eq!(delivered!(monitor), update("N", "3"));
}

async fn settings_of_other_programs_are_kept<C: Watching>() {
    let server = LocalServer::start_with(&["--notify-keyspace-events", "Ex"]).unwrap();
    let client: C = connect(server.url()).await;
    let service = keyword::Client::new(&client).service("dome");
    let mut monitor = ok!(service.monitor(["N"]));
    assert!(monitor.sees_foreign_writes());
    let (_, kinds): (String, String) =
        query(server.url(), "CONFIG GET notify-keyspace-events").unwrap();
    assert!("ExK$".chars().all(|kind| kinds.contains(kind)), "{kinds}");
    assert!(C::next(&mut monitor).await.is_err());
    Wire::to(server.url(), "dome").set(".N", "1");
    assert_eq!(delivered!(monitor), update("N", "1"));
}

async fn changes_of_dispatchers_are_delivered_without_notifications<C: Watching>() {
    let (server, client): (_, C) = server_without_notifications().await;
    let dispatcher = serve(&client, "dome", [Keyword::integer("N").initial(1)]).await;
    let mut monitor = ok!(keyword::Client::new(&client).service("dome").monitor(["N"]));
    assert!(!monitor.sees_foreign_writes());
    assert_eq!(delivered!(monitor), update("N", "1"));
    let mut other = Wire::to(server.url(), "dome");
    for number in [2, 3] {
        other.set(".N", "77");
        ok!(dispatcher.set("N", number));
        assert_eq!(delivered!(monitor), update("N", &number.to_string()), "the other is not seen");
    }
}

#[test]
fn a_monitor_ends_with_its_runtime() {
    let server = LocalServer::start().unwrap();
    let runtimes = [(); 3].map(|()| tokio::runtime::Runtime::new().unwrap());
    let [own, other, third] = runtimes;
    let monitor = own.block_on(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        Wire::to(server.url(), "dome").set(".N", "1");
        keyword::Client::new(&client).service("dome").monitor(["N"]).await.unwrap()
    });
    // It waits in another runtime than that in which it listens.
    let (taken, takes) = mpsc::channel();
    let waiting = other.spawn(async move {
        let mut monitor = monitor;
        taken.send(monitor.next().await.unwrap().text).unwrap();
        (monitor.next().await, monitor)
    });
    assert_eq!(takes.recv_timeout(PATIENCE).as_deref(), Ok("1"));
    own.shutdown_background();
    let (ended, mut monitor) = other.block_on(async {
        tokio::time::timeout(PATIENCE, waiting).await.expect("an end").unwrap()
    });
    other.shutdown_background();
    let again = third.block_on(monitor.next());
    for ended in [ended, again] {
        assert!(matches!(ended, Err(Error::Configuration(_))), "{ended:?}");
    }
}

#[test]
fn a_thousand_monitors_follow_one_keyword() {
    let server = LocalServer::start().unwrap();
    let received = RUNTIME.block_on(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        let dispatcher = Dispatcher::builder("dome").keyword(Keyword::integer("N").initial(0));
        let dispatcher = dispatcher.serve(&client).await.unwrap();
        let service = keyword::Client::new(&client).service("dome");
        let mut monitors = Vec::new();
        for _ in 0..1000 {
            let mut monitor = service.monitor(["N"]).await.unwrap();
            assert_eq!(monitor.next().await.unwrap().text, "0");
            monitors.push(monitor);
        }
        dispatcher.set("N", 1).await.unwrap();
        let mut received = 0;
        for monitor in &mut monitors {
            received += usize::from(monitor.next().await.unwrap().text == "1");
        }
        received
    });
    assert_eq!(received, 1000);
}

#[test]
fn a_read_is_one_round_trip_and_a_write_three() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let dispatcher = Dispatcher::builder("dome").keyword(Keyword::integer("N").initial(0));
    let _dispatcher = dispatcher.serve(&Client::open(server.url()).unwrap()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let service = keyword::Client::new(&client).service("dome");
    let round_trips = |operation: &dyn Fn()| {
        // A script takes one more until the server knows it.
        operation();
        proxy.reset();
        operation();
        proxy.round_trips()
    };
    for (name, expected, operation) in [
        ("read", 1, &(|| drop(service.read("N").unwrap())) as &dyn Fn()),
        ("read_many", 1, &|| drop(service.read_many(["N", "M"]).unwrap())),
        ("describe", 1, &|| drop(service.describe("N").unwrap())),
        ("contains", 1, &|| assert!(service.contains("N").unwrap())),
        ("heartbeat", 1, &|| assert!(service.heartbeat().unwrap().is_some())),
        ("keywords", 1, &|| assert_eq!(service.keywords().unwrap().len(), 1)),
        ("wait_for", 1, &|| drop(service.wait_for("N", |_| true, PATIENCE).unwrap())),
        ("write", 3, &|| drop(service.write("N", 1).unwrap())),
        ("write_nowait", 1, &|| service.write_nowait("N", 1).unwrap()),
    ] {
        assert_eq!(round_trips(operation), expected, "{name}");
    }
}

async fn a_key_of_a_wrong_type_is_named<C: Watching>() {
    for rest in [".N", "~rc:times", "~rc:lease"] {
        let server = LocalServer::start().unwrap();
        let client: C = connect(server.url()).await;
        let dome = keyword::Client::new(&client).service("dome");
        let dispatcher = serve(&client, "dome", [Keyword::integer("N").initial(1)]).await;
        let mut wire = Wire::to(server.url(), "dome");
        let key = wire.name(rest);
        let delete = [b"DEL", key.as_bytes()];
        let _: usize = wire.run(&delete);
        let _: usize = wire.run(&[b"RPUSH", key.as_bytes(), b"x"]);
        let reason = match settle!(dome.write_within("N", 2, PATIENCE)) {
            Err(Error::Keyword { source: Refused { reason, .. }, .. }) => reason,
            // Without a holder of the lease the request is not sent.
            Err(error) if rest == "~rc:lease" => error.to_string(),
            written => panic!("{rest}: {written:?}"),
        };
        assert!(reason.contains("WRONGTYPE") && reason.contains(&key), "{reason}");
        assert!(!reason.contains("script"), "{reason}");
        let set = settle!(dispatcher.set("N", 2)).expect_err(rest);
        let attempt = set.attempt().unwrap();
        assert_eq!((set.code(), attempt.command()), (Some("WRONGTYPE"), "set"), "{set}");
        assert_eq!(attempt.key(), Some(key.as_bytes()), "{set}");
        if rest == ".N" {
            let read = settle!(dome.read("N")).unwrap_err();
            assert_eq!(read.code(), Some("WRONGTYPE"), "{read}");
            assert_eq!(read.attempt().and_then(|it| it.key()), Some(key.as_bytes()));
        }
        let _: usize = wire.run(&delete);
        assert!(eventually(|| wire.lease().is_some()));
        assert_eq!(ok!(dome.write_within("N", 3, PATIENCE)).text, "3");
    }
}
