//! Users with no more rights than they need.

use std::time::Duration;

use redis_collections::keyword::KeywordError::{NotServed, Refused};
use redis_collections::keyword::{self, Keyword, Service, Status};
use redis_collections::{Error, LocalServer, Result};

use crate::{Watching, delivered, serve, update};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::proxy::Proxy;
use support::servers::{PATIENCE, query, run};
use support::wire::Wire;

on_both_kinds! {
    a_reader_needs_no_right_to_write,
    a_writer_needs_no_right_to_set_values,
    a_dispatcher_needs_its_own_service,
    a_reader_goes_on_after_a_reconnection,
    a_reader_of_a_replica_is_refused,
    a_reader_leaves_a_master_that_is_demoted,
}

/// Those that the documentation names.
const READER: &str = "-@all +mget +hmget +hget +get +exists +sismember +hscan +pttl +time +subscribe \
    +psubscribe ~Cauldron.redis.common.dome.* ~Cauldron.redis.common.dome~rc:* \
    ~Cauldron.redis.common.SERVICES_REGISTRY \
    resetchannels &Cauldron.redis.common.dome~rc:changed:* \
    &__keyspace@0__:Cauldron.redis.common.dome.*";
const WRITER: &str = "-@all +evalsha +eval +publish +exists +sismember +get +time +pubsub|numsub +lindex \
    ~Cauldron.redis.common.dome.*:type ~Cauldron.redis.common.dome~rc:lease ~Cauldron.redis.common.dome~rc:closing \
    ~Cauldron.redis.common.dome~rc:outcome:* ~Cauldron.redis.common.SERVICES_REGISTRY \
    resetchannels &Cauldron.redis.common.dome~rc:request:*";
const DISPATCHER: &str = "-@all +evalsha +eval +get +mget +set +del +unlink +exists +hget +hmget +hkeys \
    +hset +pttl +pexpire +sadd +srem +sismember +rpush +lindex +publish +subscribe +psubscribe +pubsub +multi +exec \
    +time ~Cauldron.redis.common.dome.* ~Cauldron.redis.common.dome~rc:* \
    ~Cauldron.redis.common.SERVICES_REGISTRY \
    resetchannels &Cauldron.redis.common.dome~rc:* &Cauldron.redis.common.dome.*";

async fn user<C: Kind>(server: &LocalServer, url: &str, rights: &str) -> Result<C> {
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "ann", "reset", "on", ">pw"])
        .arg(rights.split_whitespace().collect::<Vec<_>>());
    let () = run(server.url(), &user).expect("a user");
    C::build(C::builder(url).user("ann").password("pw")).await
}

fn dome<C: Kind>(client: &C) -> Service<C> {
    keyword::Client::new(client).service("dome")
}

async fn a_reader_needs_no_right_to_write<C: Watching>() {
    let server = LocalServer::start_with(&["--notify-keyspace-events", "K$"]).unwrap();
    let admin = C::build(C::builder(server.url())).await.unwrap();
    let dispatcher = serve(&admin, "dome", [Keyword::integer("N").initial(1)]).await;
    let reader: C = user(&server, server.url(), READER).await.unwrap();
    let dome = dome(&reader);
    assert_eq!((ok!(dome.read("N")).text, ok!(dome.keywords()).len()), ("1".into(), 1));
    assert!(ok!(dome.is_served()) && ok!(dome.contains("N")));
    let mut monitors = [ok!(dome.monitor(["N"])), ok!(dome.monitor_all())];
    // It may neither ask nor try.
    assert!(monitors.iter().all(|monitor| !monitor.sees_foreign_writes()));
    ok!(dispatcher.set("N", 2));
    for monitor in &mut monitors {
        for number in ["1", "2"] {
            assert_eq!(delivered!(*monitor), update("N", number));
        }
    }
    // Changes by other programs are delivered too.
    Wire::to(server.url(), "dome").set(".N", "3");
    for monitor in &mut monitors {
        assert_eq!(delivered!(*monitor), update("N", "3"));
        assert!(monitor.sees_foreign_writes());
    }
    let (report, reports) = std::sync::mpsc::channel();
    let _watch = ok!(dome.watch(["N"], move |reading| {
        let _ = report.send(reading.text);
        C::loading(Ok(()))
    }));
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("3"));
    ok!(dispatcher.set("N", 4));
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("4"));
    ok!(dome.wait_for("N", |reading| reading.text == "4", PATIENCE));
    let late =
        settle!(dome.wait_for("N", |reading| reading.text == "5", Duration::from_millis(50)));
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    let written = settle!(dome.write("N", 5)).unwrap_err();
    assert_eq!(written.code(), Some("NOPERM"));
    // Whether a dispatcher serves is seen.
    ok!(dispatcher.shutdown());
    for monitor in &mut monitors {
        // The last value may be read only now.
        while C::next(monitor).await.unwrap().is_served {}
    }
    // A user may read the keys of the service alone.
    let rights = READER.replace("~Cauldron.redis.common.SERVICES_REGISTRY", "");
    let reader: C = user(&server, server.url(), &rights.replace("+sismember", "")).await.unwrap();
    let mut monitor = ok!(self::dome(&reader).monitor(["N"]));
    assert_eq!(delivered!(monitor), update("N", "4"));
}

async fn a_writer_needs_no_right_to_set_values<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let admin = C::build(C::builder(server.url())).await.unwrap();
    let dispatcher = serve(&admin, "dome", [Keyword::integer("N").initial(1)]).await;
    for (number, rights) in [WRITER, &format!("{WRITER} +blmove")].into_iter().enumerate() {
        let writer: C = user(&server, server.url(), rights).await.unwrap();
        let dome = dome(&writer);
        let number = 10 * (1 + number as i64);
        assert_eq!(ok!(dome.write("N", number)).value, number.into());
        let outcomes = ok!(dome.write_many([("N", "junk"), ("N", "3")], PATIENCE));
        assert!(
            matches!(&outcomes[..], [Err(Error::Keyword { source: Refused { .. }, .. }), Ok(_)]),
            "{outcomes:?}"
        );
        ok!(dome.write_nowait("N", number + 1));
    }
    ok!(dispatcher.shutdown());
    let writer: C = user(&server, server.url(), WRITER).await.unwrap();
    let outcome = settle!(dome(&writer).write("N", 1));
    assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })), "{outcome:?}");
}

async fn a_dispatcher_needs_its_own_service<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let admin = C::build(C::builder(server.url())).await.unwrap();
    let own: C = user(&server, server.url(), DISPATCHER).await.unwrap();
    let even = |value: &keyword::Value| match value.as_i64() {
        Some(number) if number % 2 == 0 => Ok(()),
        _ => Err("it is odd"),
    };
    let hook = |_| C::loading(Ok(()));
    let keyword = Keyword::integer("N").initial(2).check(even).on_write(hook);
    let dispatcher = serve(&own, "dome", [keyword]).await;
    let dome = dome(&admin);
    let mut monitor = ok!(dome.monitor(["N"]));
    assert_eq!(ok!(dome.write("N", 4)).text, "4");
    let refused = settle!(dome.write("N", 5));
    assert!(matches!(refused, Err(Error::Keyword { source: Refused { .. }, .. })), "{refused:?}");
    ok!(dispatcher.set("N", 6));
    ok!(dome.force_write("N", 6, PATIENCE));
    ok!(dispatcher.shutdown());
    assert!(!ok!(dome.is_served()));
    for (status, text, is_served) in [
        (Status::Ready, "2", true),
        (Status::Modify, "2", true),
        (Status::Ready, "4", true),
        (Status::Error, "4", true),
        (Status::Error, "6", true),
        (Status::Modify, "6", true),
        (Status::Ready, "6", true),
        (Status::Ready, "6", false),
    ] {
        let reading = C::next(&mut monitor).await.unwrap();
        let seen = (reading.status, &reading.text[..], reading.is_served);
        assert_eq!(seen, (status, text, is_served));
    }
    let _again = serve(&own, "dome", [Keyword::integer("N")]).await;
    assert!(C::next(&mut monitor).await.unwrap().is_served);
}

async fn a_reader_goes_on_after_a_reconnection<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let admin = C::build(C::builder(server.url())).await.unwrap();
    let dispatcher = serve(&admin, "dome", [Keyword::integer("N").initial(1)]).await;
    let reader: C = user(&server, &proxy.url(), READER).await.unwrap();
    let mut monitor = ok!(dome(&reader).monitor(["N"]));
    assert_eq!(delivered!(monitor), update("N", "1"));
    for number in 2..5 {
        proxy.refuse();
        proxy.kill();
        ok!(dispatcher.set("N", number));
        proxy.accept().unwrap();
        assert_eq!(delivered!(monitor), update("N", &number.to_string()));
    }
}

async fn a_reader_of_a_replica_is_refused<C: Watching>() {
    let server = LocalServer::start().unwrap();
    let replica =
        LocalServer::start_with(&["--replicaof", "127.0.0.1", &server.port().to_string()]).unwrap();
    let is_up = || {
        let state: String = query(replica.url(), "INFO replication").unwrap();
        state.contains("master_link_status:up")
    };
    assert!(eventually(is_up));
    let reader: C = user(&replica, replica.url(), READER).await.unwrap();
    let refused = settle!(dome(&reader).monitor(["N"]));
    let Err(Error::UnexpectedReply { .. }) = refused else { panic!("its values may be old") };
}

async fn a_reader_leaves_a_master_that_is_demoted<C: Watching>() {
    let (old, new) = (LocalServer::start().unwrap(), LocalServer::start().unwrap());
    let proxy = Proxy::to(old.port()).unwrap();
    let admin = C::build(C::builder(new.url())).await.unwrap();
    let _: C = user(&new, new.url(), READER).await.unwrap();
    let reader: C = user(&old, &proxy.url(), READER).await.unwrap();
    Wire::to(old.url(), "dome").set(".N", "1");
    let mut monitor = ok!(dome(&reader).monitor(["N"]));
    assert_eq!(delivered!(monitor), update("N", "1"));
    let _dispatcher = serve(&admin, "dome", [Keyword::integer("N").initial(2)]).await;
    // The connections to the old one stay, and answer.
    proxy.lead_to(new.port());
    let () = query(old.url(), &format!("REPLICAOF 127.0.0.1 {}", new.port())).unwrap();
    assert_eq!(delivered!(monitor), update("N", "2"));
    let listeners = || query::<String>(new.url(), "CLIENT LIST TYPE pubsub").unwrap();
    assert!(eventually(|| listeners().contains("user=ann")));
}
