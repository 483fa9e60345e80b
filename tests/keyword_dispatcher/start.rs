//! How a dispatcher takes its name, and gives it back.

use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use redis_collections::keyword::KeywordError::{AlreadyServed, NotServed};
use redis_collections::keyword::{self, Dispatcher, Keyword, Status, Value};
use redis_collections::{AsyncClient, Error, LocalServer};
use tokio::runtime::Builder;

use crate::wire;
use support::contract::{contract_on_clusters, contract_on_servers, ok, on_both_kinds, settle};
use support::kinds::{Kind, SERVER};
use support::servers::{PATIENCE, query};
use support::wire::Wire;

contract_on_servers! {
    a_start_publishes_values_statuses_and_types,
    existing_values_are_kept,
    a_value_that_may_not_be_kept_is_an_error,
    one_dispatcher_serves_at_a_time,
    of_many_that_start_at_once_one_serves,
    a_name_that_cauldron_left_is_taken,
    a_bystander_does_not_keep_the_name_of_a_crashed_dispatcher,
    a_dispatcher_that_is_dropped_gives_its_name_back,
    a_start_can_wait_for_the_name_to_be_released,
    a_lease_lasts_ten_seconds_by_default,
    a_contradictory_definition_is_rejected,
}

contract_on_clusters! { a_cluster_is_refused }

on_both_kinds! { kinds_of_notifications_are_added, a_start_takes_few_round_trips }

async fn a_start_publishes_values_statuses_and_types<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let dispatcher = Dispatcher::builder(&service.to_uppercase())
        .keyword(Keyword::double("az").units("deg").range(0.0..=360.0).initial(1))
        .keyword(Keyword::enumerated("Lid", ["closed", "open"]).initial("open"))
        .keyword(Keyword::string("OBSERVER"));
    let dispatcher = ok!(dispatcher.serve(&client));
    for (keyword, value, status, kind) in [
        ("AZ", "1.0", "ready", "double"),
        ("LID", "1", "ready", "enumerated"),
        ("OBSERVER", "", "init", "string"),
    ] {
        assert_eq!(wire.value(keyword).as_deref(), Some(value));
        assert_eq!(wire.status(keyword).as_deref(), Some(status));
        assert_eq!(wire.get(&format!(".{keyword}:type")).as_deref(), Some(kind));
    }
    assert!(wire.is_registered() && wire.lease().is_some() && dispatcher.is_serving());
    let names: Vec<_> = dispatcher.descriptions().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["AZ", "LID", "OBSERVER"]);
    assert_eq!(dispatcher.get("az").unwrap(), Some(Value::Number(1.0)));
    assert_eq!(dispatcher.get("OBSERVER").unwrap(), None);

    ok!(dispatcher.shutdown());
    assert!(!wire.is_registered() && wire.lease().is_none() && !dispatcher.is_serving());
    assert_eq!((wire.value("AZ").as_deref(), wire.time("AZ")), (Some("1.0"), None));
}

async fn existing_values_are_kept<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    for (keyword, value, status) in
        [("A", "7", "ready"), ("B", "junk", "ready"), ("C", "2", "modify"), ("D", "", "init")]
    {
        wire.set(&format!(".{keyword}"), value);
        wire.set(&format!(".{keyword}:status"), status);
    }
    let keywords = ["A", "B", "C", "D"].map(Keyword::integer);
    let dispatcher = ok!(Dispatcher::builder(&service).keywords(keywords).serve(&client));
    for (keyword, value, text, status) in [
        ("A", Some(Value::Integer(7)), "7", "ready"),
        ("B", None, "", "error"),
        ("C", Some(Value::Integer(2)), "2", "ready"),
        ("D", None, "", "init"),
    ] {
        assert_eq!(dispatcher.get(keyword).unwrap(), value, "{keyword}");
        assert_eq!(wire.value(keyword).as_deref(), Some(text), "{keyword}");
        assert_eq!(wire.status(keyword).as_deref(), Some(status), "{keyword}");
        assert_eq!(dispatcher.history(keyword).unwrap(), [], "the time is not known");
    }
}

async fn a_value_that_may_not_be_kept_is_an_error<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let known = redis_collections::keyword::Client::new(&client).service(&service);
    let serve = |greatest: f64| {
        let keyword = Keyword::double("AZ").range(0.0..=greatest);
        Dispatcher::builder(&service).keyword(keyword).serve(&client)
    };
    let wide = ok!(serve(360.0));
    ok!(wide.set("AZ", 270.0));
    ok!(wide.shutdown());
    for _ in 0..2 {
        let narrow = ok!(serve(180.0));
        let reading = ok!(known.read("AZ"));
        let why = reading.error.expect("an error");
        assert!(why.contains("between 0 and 180"), "{why}");
        assert_eq!((&reading.text[..], reading.status), ("", Status::Error));
        assert_eq!(narrow.get("AZ").unwrap(), None);
        ok!(narrow.shutdown());
    }
    let narrow = ok!(serve(180.0));
    ok!(narrow.set("AZ", 90.0));
    assert_eq!((wire.status("AZ").as_deref(), wire.error("AZ")), (Some("ready"), None));
}

async fn one_dispatcher_serves_at_a_time<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let serve = |value: i32| {
        let keyword = Keyword::integer("N").initial(value);
        Dispatcher::builder(&service).keyword(keyword).serve(&client)
    };
    let first = ok!(serve(1));
    let before = (wire.lease(), wire.time("N"));
    assert!(matches!(settle!(serve(2)), Err(Error::Keyword { source: AlreadyServed, .. })));
    assert_eq!((wire.lease(), wire.time("N")), before);
    assert_eq!((wire.value("N").as_deref(), wire.write("N", "3")), (Some("1"), "3".into()));
    ok!(first.shutdown());
    let _second = ok!(serve(2));
    assert_eq!(wire.value("N").as_deref(), Some("2"));
    assert!(matches!(settle!(first.set("N", 4)), Err(Error::Keyword { source: NotServed, .. })));
}

async fn of_many_that_start_at_once_one_serves<C: Kind>(client: C, name: &'static str) {
    let (service, _) = wire(name);
    let serve = || {
        let started = Dispatcher::builder(&service).serve(&client);
        C::finish(async { C::settle(started).await })
    };
    let started: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(serve)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let refused =
        |it: &&Result<_, _>| matches!(it, Err(Error::Keyword { source: AlreadyServed, .. }));
    assert_eq!(started.iter().filter(refused).count(), 7);
    assert_eq!(started.iter().filter(|it| it.is_ok()).count(), 1);
}

async fn a_name_that_cauldron_left_is_taken<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    wire.register();
    let serve = || Dispatcher::builder(&service).keyword(Keyword::string("N")).serve(&client);
    let lives = wire.listen(&[".N"]);
    assert!(matches!(settle!(serve()), Err(Error::Keyword { source: AlreadyServed, .. })));
    assert_eq!((wire.lease(), wire.value("N")), (None, None));
    drop(lives);
    let _of_another = wire.listen(&[".west.N", ".N:status"]);
    let mut serves = None;
    for _ in 0..100 {
        serves = settle!(serve()).ok();
        if serves.is_some() {
            break;
        }
    }
    assert!(serves.is_some() && wire.lease().is_some());
}

async fn a_bystander_does_not_keep_the_name_of_a_crashed_dispatcher<C: Kind>(
    client: C,
    name: &'static str,
) {
    for (number, (keywords, of_ours)) in [(1, true), (2, true), (2, false)].into_iter().enumerate()
    {
        let (service, mut wire) = wire(&format!("{name}-{number}"));
        wire.register();
        let keywords = ["N", "M"].into_iter().take(keywords);
        for keyword in keywords.clone() {
            wire.set(&format!(".{keyword}"), "1");
            if of_ours {
                let descriptions = wire.name("~rc:keywords");
                let _: usize =
                    wire.run(&[b"HSET", descriptions.as_bytes(), keyword.as_bytes(), b"{}"]);
            }
        }
        let _bystander = wire.listen(&[".N"]);
        let keywords = keywords.map(Keyword::string);
        let known = redis_collections::keyword::Client::new(&client).service(&service);
        assert_eq!(ok!(known.is_served()), !of_ours, "it is not known without descriptions");
        let dispatcher = ok!(Dispatcher::builder(&service).keywords(keywords).serve(&client));
        ok!(dispatcher.shutdown());
    }
}

async fn a_dispatcher_that_is_dropped_gives_its_name_back<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let dispatcher = ok!(Dispatcher::builder(&service).serve(&client));
    let other = dispatcher.clone();
    drop(dispatcher);
    assert!(other.is_serving() && wire.lease().is_some());
    drop(other);
    // Nothing is left to a thread or task that the end of the program would cut off.
    assert!(wire.lease().is_none() && !wire.is_registered());
    for _ in 0..10 {
        let keyword = Keyword::integer("N").initial(1);
        let _dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    }
}

async fn a_start_can_wait_for_the_name_to_be_released<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let serve = |value: i32, time: Duration| {
        let keyword = Keyword::integer("N").initial(value);
        Dispatcher::builder(&service).keyword(keyword).serve_within(&client, time)
    };
    // One that crashed.
    let lease = wire.name("~rc:lease");
    let () = wire.run(&[b"SET", lease.as_bytes(), b"crashed/600", b"PX", b"600"]);
    wire.register();
    let refused = settle!(serve(1, Duration::from_millis(1))).map(drop);
    let Err(error @ Error::Keyword { source: AlreadyServed, .. }) = refused else {
        panic!("{refused:?}")
    };
    let message = error.to_string();
    assert!(
        message.contains(&format!("{service}\"")) && !message.contains("REGISTRY"),
        "{message}"
    );
    let first = ok!(serve(2, PATIENCE));

    // One that ends, while another waits for its place.
    let standby = thread::scope(|scope| {
        let standby = scope.spawn(|| {
            let started = serve(3, PATIENCE);
            C::finish(async { C::settle(started).await })
        });
        drop(first);
        standby.join().unwrap()
    });
    assert!(standby.unwrap().is_serving());
    assert_eq!(wire.value("N").as_deref(), Some("3"));
}

async fn a_lease_lasts_ten_seconds_by_default<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let _dispatcher = ok!(Dispatcher::builder(&service).serve(&client));
    let holder = wire.lease().expect("a lease");
    assert!(holder.ends_with("/10000"), "{holder}");
    let key = wire.name("~rc:lease");
    let left: i64 = wire.run(&[b"PTTL", key.as_bytes()]);
    assert!((1..=10_000).contains(&left), "{left}");
}

async fn a_contradictory_definition_is_rejected<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let found_out = || Keyword::integer("A").on_read(|| C::loading(Ok(Value::from(1))));
    let written = || Keyword::integer("A").on_write(|_| C::loading(Ok(())));
    for (service, keywords) in [
        ("a:b", vec![]),
        ("", vec![]),
        (&service, vec![Keyword::string("a.b")]),
        (&service, vec![Keyword::string("a"), Keyword::integer("A")]),
        (&service, vec![Keyword::integer("A").range(0.0..=1.0).initial(2)]),
        (&service, vec![Keyword::integer("A").initial("x")]),
        (&service, vec![Keyword::integer("A").write_only().initial(1)]),
        (&service, vec![Keyword::integer("A").every(Duration::from_secs(1))]),
        (&service, vec![found_out().every(Duration::ZERO)]),
        (&service, vec![Keyword::integer("A").initial(1.9)]),
        (&service, vec![Keyword::integer("A").read_only().always_write()]),
        (&service, vec![written().read_only().write_only()]),
        (&service, vec![written().write_only().read_only()]),
        (&service, vec![Keyword::integer("A").write_only()]),
    ] {
        let served = settle!(Dispatcher::builder(service).keywords(keywords).serve(&client));
        assert!(matches!(served, Err(Error::Configuration(_))), "{served:?}");
    }
    assert!(wire.lease().is_none() && !wire.is_registered());
}

async fn a_cluster_is_refused<C: Kind>(client: C, _name: &'static str) {
    let served = settle!(Dispatcher::builder("dome").serve(&client)).map(drop);
    let dome = keyword::Client::new(&client).service("dome");
    for refused in
        [served, settle!(dome.read("N")).map(drop), settle!(dome.write("N", 1)).map(drop)]
    {
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
    }
}

async fn kinds_of_notifications_are_added<C: Kind>() {
    for (before, may_set, expected) in
        [("", true, "$K"), ("Ex", true, "$Ex K"), ("AK", true, "AK"), ("Ex", false, "Ex")]
    {
        let server = LocalServer::start_with(&["--notify-keyspace-events", before]).unwrap();
        if !may_set {
            let () = query(server.url(), "ACL SETUSER default -config|set").unwrap();
        }
        let client = C::build(C::builder(server.url())).await.unwrap();
        let dispatcher = Dispatcher::builder("dome").keyword(Keyword::string("N"));
        let dispatcher = ok!(dispatcher.serve(&client));
        ok!(dispatcher.set("N", "x"));
        let get = "CONFIG GET notify-keyspace-events";
        let (_, flags): (String, String) = query(server.url(), get).unwrap();
        let sorted = |flags: &str| {
            let mut flags: Vec<_> = flags.chars().filter(|flag| *flag != ' ').collect();
            flags.sort_unstable();
            flags
        };
        assert_eq!(sorted(&flags), sorted(expected), "{before:?} {may_set}");
    }
}

async fn a_start_takes_few_round_trips<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let mut wire = Wire::to(server.url(), "many");
    let all = (0..10_000).map(|number| Keyword::integer(&format!("N{number}")).initial(number));
    // No lease is renewed meanwhile.
    let builder = Dispatcher::builder("many").keywords(all).lease(Duration::from_secs(3600));
    let dispatcher = ok!(builder.serve(&client));
    assert_eq!(wire.value("N9999").as_deref(), Some("9999"));
    assert_eq!(wire.write("N9999", "-1"), "-1");
    let statistics: String = wire.run(&[b"INFO", b"commandstats"]);
    let calls = |command: &str| -> usize {
        let line = statistics.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
        let calls = line.and_then(|line| line.split_once("calls=")?.1.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    };
    // One script for the name, one that writes, and two that the server does not know at first.
    assert_eq!((calls("mget"), calls("evalsha") + calls("eval")), (10, 10 + 1 + 1 + 3));
    ok!(dispatcher.shutdown());
}

/// The name is free when a drop has returned, also where nothing else runs in the meantime.
#[test]
fn a_runtime_of_one_thread_gives_the_name_back() {
    let (service, mut wire) = wire("a_runtime_of_one_thread_gives_the_name_back");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let serve = || Dispatcher::builder(&service).keyword(Keyword::integer("N"));
        let dispatcher = serve().serve(&client).await.unwrap();
        // Something is on its way to the server, and gets there later.
        let mut late = dispatcher.set("N", 1);
        assert!((&mut late).now_or_never().is_none());
        drop(dispatcher);
        assert!(wire.lease().is_none());
        let _ = late.await;
        while wire.lease().is_some() {
            tokio::task::yield_now().await;
        }
        let dispatcher = serve().serve(&client).await.unwrap();
        drop(dispatcher);
        assert!(wire.lease().is_none());

        // A start that is given up after it has taken the name.
        let mut started = serve().serve(&client);
        while wire.lease().is_none() {
            assert!((&mut started).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(started);
        assert!(wire.lease().is_none() && !wire.is_registered());
    });
}
