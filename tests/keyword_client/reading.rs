//! Values, descriptions and services as clients find them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redis_collections::Error;
use redis_collections::keyword::KeywordError::{Refused, UnknownKeyword};
use redis_collections::keyword::{self, Access, Dispatcher, Keyword, Kind as Type, Status, Value};

use crate::{parts, serve};
use support::contract::{contract_on_clusters, contract_on_servers, ok, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::PATIENCE;

contract_on_servers! {
    a_value_is_read_with_its_type_and_status,
    no_value_is_older_than_its_time,
    keywords_are_listed_without_their_helpers,
    invalid_names_are_rejected,
    values_that_are_not_text_are_shown_as_that,
    services_are_listed,
}

contract_on_clusters! {
    a_cluster_is_refused,
}

async fn a_value_is_read_with_its_type_and_status<C: Kind>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    let keywords = [
        Keyword::integer("I").initial(7),
        Keyword::double("D").initial(1.5),
        Keyword::boolean("B").initial(true),
        Keyword::string("S").initial("a b"),
        Keyword::enumerated("E", ["closed", "open"]).initial("open"),
        Keyword::mask("M", ["hot", "wet"]).initial("hot,wet"),
        Keyword::string("N"),
        Keyword::string("W").write_only().on_write(|_| C::loading(Ok(()))),
    ];
    let _dispatcher = serve(&client, &name, keywords).await;
    for (keyword, kind, value, text, status) in [
        ("i", Type::Integer, Value::Integer(7), "7", Status::Ready),
        ("D", Type::Double, Value::Number(1.5), "1.5", Status::Ready),
        ("B", Type::Boolean, Value::Boolean(true), "1", Status::Ready),
        ("S", Type::String, "a b".into(), "a b", Status::Ready),
        ("E", Type::Enumerated, Value::Integer(1), "1", Status::Ready),
        ("M", Type::Mask, Value::Integer(3), "3", Status::Ready),
        ("N", Type::String, "".into(), "", Status::Init),
    ] {
        let reading = ok!(service.read(keyword));
        assert_eq!((reading.kind, reading.value.clone()), (kind, value), "{keyword}");
        assert_eq!((&reading.text[..], reading.status), (text, status), "{keyword}");
        assert_eq!(reading.set_at.is_some(), status == Status::Ready, "{keyword}");
        assert_eq!(reading.age().is_some(), status == Status::Ready, "{keyword}");
        assert!(format!("{reading:?}").contains(text), "{reading:?}");
    }
    assert!(matches!(
        settle!(service.read("X")),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
    assert!(matches!(
        settle!(service.read("W")),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
    let many = ok!(service.read_many(["I", "X", "a.b", "S"]));
    assert!(matches!(
        &many[..],
        [
            Ok(i),
            Err(Error::Keyword { source: UnknownKeyword, .. }),
            Err(Error::InvalidArgument { .. }),
            Ok(s)
        ]
            if i.keyword == "I" && s.keyword == "S"
    ));
}

async fn no_value_is_older_than_its_time<C: Kind>(client: C, name: &'static str) {
    let (service, name, _) = parts(&client, name);
    // So many bytes that the server does something else before it has received the end of a request.
    let names: Vec<_> = (0..1000).map(|number| format!("{number:0250}")).collect();
    let keywords = names.iter().map(|name| Keyword::integer(name).initial(0).history(usize::MAX));
    let dispatcher = serve(&client, &name, keywords).await;
    let (is_over, busy) = (Arc::new(AtomicBool::new(false)), names[0].clone());
    let setter = thread::spawn({
        let (is_over, dispatcher, busy) = (is_over.clone(), dispatcher.clone(), busy.clone());
        move || {
            for number in 1.. {
                C::finish(C::settle(dispatcher.set(&busy, number))).unwrap();
                if is_over.load(Ordering::Acquire) {
                    break;
                }
            }
        }
    });
    let mut readings = Vec::new();
    for _ in 0..30 {
        readings.push(ok!(service.read_many(&names)).swap_remove(0).unwrap());
    }
    is_over.store(true, Ordering::Release);
    setter.join().unwrap();
    let history: HashMap<_, _> = dispatcher.history(&busy).unwrap().into_iter().collect();
    for reading in readings {
        let set_then = &history[&reading.set_at.unwrap()];
        assert!(reading.value.as_i64() >= set_then.as_i64(), "{} < {set_then}", reading.value);
    }
}

async fn keywords_are_listed_without_their_helpers<C: Kind>(client: C, name: &'static str) {
    let (service, name, mut wire) = parts(&client, name);
    let keywords = [
        Keyword::double("az [1]*").units("deg"),
        Keyword::string("B c").write_only().on_write(|_| C::loading(Ok(()))),
    ];
    let dispatcher = serve(&client, &name, keywords).await;
    assert!(matches!(settle!(service.write("B C", "x")), Ok(written) if written.text == "x"));
    assert!(matches!(
        settle!(service.write("AZ [1]*", "x")),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
    let listed = ok!(service.keywords());
    assert_eq!(listed, dispatcher.descriptions());
    assert_eq!(listed[0].name, "AZ [1]*");
    assert_eq!((listed[0].units.as_deref(), listed[1].access), (Some("deg"), Access::WriteOnly));
    assert_eq!(ok!(service.describe("b c")), listed[1]);
    assert!(matches!(
        settle!(service.describe("X")),
        Err(Error::Keyword { source: UnknownKeyword, .. })
    ));
    assert!(ok!(service.contains("az [1]*")) && !ok!(service.contains("AZ [1]X")));
    assert!(!ok!(service.contains("AZ [1]*X")));

    // Cauldron's dispatchers describe nothing, and other services have names that begin alike.
    let cauldron = format!("{name}-[a]*");
    for (key, value) in [
        ("-[a]*.A", "1"),
        ("-[a]*.A:status", "ready"),
        ("-[a]*.A:type", "integer"),
        ("-[a]*.A:error", "x"),
        ("-[a]*.B", ""),
        ("-[a]*.b.C", "1"),
        ("-a.D", "1"),
    ] {
        wire.set(key, value);
    }
    let listed = ok!(keyword::Client::new(&client).service(&cauldron).keywords());
    let listed: Vec<_> = listed.iter().map(|it| (&it.name[..], it.kind)).collect();
    assert_eq!(listed, [("A", Type::Integer), ("B", Type::Basic)]);
}

async fn invalid_names_are_rejected<C: Kind>(client: C, name: &'static str) {
    let (service, _, _) = parts(&client, name);
    let elsewhere = keyword::Client::new(&client).service("a:b");
    for (service, keyword) in [
        (&service, ""),
        (&service, "a.b"),
        (&service, "a:status"),
        (&service, "a\nb"),
        (&elsewhere, "A"),
    ] {
        for outcome in [
            settle!(service.read(keyword)).map(drop),
            settle!(service.write(keyword, 1)).map(drop),
            settle!(service.write_nowait(keyword, 1)),
            settle!(service.contains(keyword)).map(drop),
            settle!(service.monitor([keyword])).map(drop),
            settle!(service.wait_for(keyword, |_| true, PATIENCE)).map(drop),
            settle!(service.watch([keyword], |_| C::loading(Ok(())))).map(drop),
        ] {
            assert!(
                matches!(outcome, Err(Error::InvalidArgument { .. })),
                "{keyword:?} {outcome:?}"
            );
        }
    }
    assert!(matches!(settle!(elsewhere.keywords()), Err(Error::InvalidArgument { .. })));
}

async fn a_cluster_is_refused<C: Kind>(client: C, _: &'static str) {
    let service = keyword::Client::new(&client).service("dome");
    for outcome in [
        settle!(service.read("A")).map(drop),
        settle!(service.write("A", 1)).map(drop),
        settle!(service.write_nowait("A", 1)),
        settle!(service.keywords()).map(drop),
        settle!(service.monitor_all()).map(drop),
        settle!(service.is_served()).map(drop),
        settle!(keyword::Client::new(&client).services()).map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::InvalidArgument { .. })), "{outcome:?}");
    }
}

async fn values_that_are_not_text_are_shown_as_that<C: Kind>(client: C, name: &'static str) {
    let (service, _, mut wire) = parts(&client, name);
    let key = wire.name(".A");
    let () = wire.run(&[b"SET", key.as_bytes(), b"\xff"]);
    let outcome = settle!(service.read("A"));
    let Err(error @ Error::Decode { .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.undecoded(), Some(&b"\xff"[..]));
    wire.set(".B", "junk");
    wire.set(".B:type", "integer");
    let reading = ok!(service.read("B"));
    assert_eq!((reading.kind, reading.value), (Type::Integer, "junk".into()));
}

async fn services_are_listed<C: Kind>(client: C, name: &'static str) {
    let (service, name, mut wire) = parts(&client, name);
    wire.register();
    let find = async || {
        let services = ok!(keyword::Client::new(&client).services());
        services.into_iter().find(|service| service.name == name).map(|found| found.is_served)
    };
    assert_eq!(find().await, Some(false));
    assert!(!ok!(service.is_served()) && ok!(service.heartbeat()).is_none());
    let cauldron = wire.listen(&[".A"]);
    assert_eq!((find().await, ok!(service.is_served())), (Some(true), true));
    assert_eq!(ok!(service.heartbeat()), None);
    drop(cauldron);
    assert!(eventually(|| wire.run::<usize>(&[b"PUBLISH", wire.name(".A").as_bytes(), b""]) == 0));

    let dispatcher = Dispatcher::builder(&name).lease(Duration::from_secs(60));
    let dispatcher = ok!(dispatcher.keyword(Keyword::integer("A")).serve(&client));
    assert_eq!((find().await, ok!(service.is_served())), (Some(true), true));
    assert!(ok!(service.heartbeat()).is_some_and(|time| time < Duration::from_secs(50)));
    ok!(dispatcher.shutdown());
    // A subscriber to a channel of a service that was shut down serves nothing.
    let _bystander = wire.listen(&[".A"]);
    assert_eq!((find().await, ok!(service.is_served())), (None, false));
}
