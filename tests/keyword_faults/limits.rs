//! Servers that take no writes, and users without some rights.

use std::time::Duration;

use redis_collections::keyword::KeywordError::Refused;
use redis_collections::keyword::{Dispatcher, Keyword, Status};
use redis_collections::{Applied, Client, Error, LocalServer};

use crate::{connect, dome, serve};
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::Kind;
use support::servers::{PATIENCE, query, run, wait_for};
use support::wire::Wire;

on_both_kinds! {
    without_memory_nothing_changes_and_every_caller_gets_an_error,
    on_a_replica_there_is_no_dispatcher,
    rights_that_are_missing_are_errors_or_do_without,
}

async fn without_memory_nothing_changes_and_every_caller_gets_an_error<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let called = |_| C::loading(Ok(()));
    let keywords =
        [Keyword::integer("N").initial(1), Keyword::integer("HOOK").initial(1).on_write(called)];
    let dispatcher = serve(&client, keywords).await.unwrap();
    let () = query(server.url(), "CONFIG SET maxmemory 1").unwrap();
    let set = settle!(dispatcher.set("N", 2)).unwrap_err();
    assert_eq!((set.code(), set.applied()), (Some("OOM"), Applied::No), "{set}");
    for keyword in ["N", "HOOK"] {
        let written = settle!(dome(&client).write(keyword, 2));
        let Err(Error::Keyword { source: Refused { reason, .. }, .. }) = written else {
            panic!("{keyword}: {written:?}")
        };
        assert!(reason.contains("OOM"), "{reason}");
        let reading = ok!(dome(&client).read(keyword));
        assert_eq!((&reading.text[..], reading.status), ("1", Status::Error), "{keyword}");
    }
    let other = settle!(Dispatcher::<C>::builder("mount").serve(&client));
    assert!(matches!(&other, Err(error) if error.code() == Some("OOM")), "{other:?}");
    let () = query(server.url(), "CONFIG SET maxmemory 0").unwrap();
    for keyword in ["N", "HOOK"] {
        assert_eq!(ok!(dome(&client).write(keyword, 3)).text, "3");
    }
    assert!(dispatcher.is_serving());
}

async fn on_a_replica_there_is_no_dispatcher<C: Kind>() {
    let master = LocalServer::start().unwrap();
    let port = master.port().to_string();
    let replica = LocalServer::start_with(&["--replicaof", "127.0.0.1", &port]).unwrap();
    let (client, reader): (C, C) = (connect(master.url()).await, connect(replica.url()).await);
    let _dispatcher = serve(&client, [Keyword::integer("N").initial(1)]).await.unwrap();
    let mut wire = Wire::to(replica.url(), "dome");
    wait_for("the replica", || Ok(wire.value("N").as_deref() == Some("1"))).unwrap();
    let served = settle!(Dispatcher::<C>::builder("mount").serve(&reader));
    assert!(matches!(&served, Err(error) if error.code() == Some("READONLY")), "{served:?}");
    assert_eq!(ok!(dome(&reader).read("N")).text, "1");
    let time = Duration::from_millis(200);
    let written = settle!(dome(&reader).write_within("N", 2, time));
    assert!(matches!(&written, Err(error) if error.applied() == Applied::No), "{written:?}");
    assert_eq!(ok!(dome(&client).write("N", 3)).text, "3");
}

async fn rights_that_are_missing_are_errors_or_do_without<C: Kind>() {
    // A missing right; whether its user can still serve and write, and whether a monitor sees
    // foreign writes.
    for (missing, flags, serves, writes, sees_foreign) in [
        ("-config", "K$", true, true, Some(true)),
        ("-config", "", true, true, Some(false)),
        ("-config", "KEg", true, true, Some(false)),
        ("-config|set", "", true, true, Some(false)),
        ("-config|set", "K$", true, true, Some(true)),
        ("-pubsub", "", true, true, Some(true)),
        ("-blmove", "", true, true, Some(true)),
        ("-publish", "", false, false, Some(true)),
        ("-subscribe", "", false, true, None),
        ("-eval -evalsha", "", false, false, Some(true)),
    ] {
        let server = LocalServer::start_with(&["--notify-keyspace-events", flags]).unwrap();
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "ann", "on", ">pw", "~*", "&*", "+@all"]);
        user.arg(missing.split(' ').collect::<Vec<_>>());
        let () = run(server.url(), &user).unwrap();
        let ann = C::build(C::builder(server.url()).user("ann").password("pw")).await.unwrap();
        let root = Client::open(server.url()).unwrap();
        let is_typed = |error: &Error| matches!(error, Error::Server { .. });

        let monitor =
            settle!(dome(&ann).monitor(["N"])).map(|monitor| monitor.sees_foreign_writes());
        assert!(
            monitor.as_ref().map_or_else(is_typed, |_| sees_foreign.is_some()),
            "{missing}: {monitor:?}"
        );
        assert_eq!(monitor.ok(), sees_foreign, "{missing} {flags}");
        let served = serve(&ann, [Keyword::integer("N").initial(1)]).await;
        assert!(served.as_ref().map_or_else(is_typed, |_| serves), "{missing}: {served:?}");
        if let Ok(dispatcher) = served {
            assert_eq!(dome(&root).write("N", 2).unwrap().text, "2", "{missing}");
            ok!(dispatcher.shutdown());
        }
        let dispatcher = Dispatcher::builder("dome").keyword(Keyword::integer("N").initial(1));
        let dispatcher = dispatcher.serve(&root).unwrap();
        let written = settle!(dome(&ann).write_within("N", 3, PATIENCE));
        assert!(written.as_ref().map_or_else(is_typed, |_| writes), "{missing}: {written:?}");
        dispatcher.shutdown().unwrap();
    }
}
