//! Servers that are killed, start again and are cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis_collections::keyword::{Keyword, Status};
use redis_collections::{Applied, Error, LocalServer};

use crate::support::eventually;
use crate::support::kinds::{Kind, ok, on_both_kinds, settle};
use crate::support::proxy::Proxy;
use crate::support::servers::PATIENCE;
use crate::support::wire::Wire;
use crate::{Patient, connect, dome, serve, write};

on_both_kinds! {
    a_write_waits_for_a_server_that_starts_again,
    a_server_that_is_away_is_an_error_of_each_call,
    a_dispatcher_that_is_deaf_is_heard_again,
}

/// Whether it comes back with what it had or with nothing.
async fn a_write_waits_for_a_server_that_starts_again<C: Patient>() {
    for keeps in ["yes", "no"] {
        let mut server = LocalServer::start_with(&["--appendonly", keeps]).unwrap();
        let client: C = connect(server.url()).await;
        let [begun, open]: [Arc<AtomicBool>; 2] = Default::default();
        let (begins, opened) = (begun.clone(), open.clone());
        let slow = Keyword::integer("SLOW").initial(0).on_write(move |_| {
            begins.store(true, Ordering::SeqCst);
            let opened = opened.clone();
            C::wait_for(move || opened.load(Ordering::SeqCst))
        });
        let keywords = [slow, Keyword::integer("N").initial(3)];
        let dispatcher = serve(&client, keywords).await.unwrap();
        let writer = write(&dome(&client), "SLOW", 1, PATIENCE);
        assert!(eventually(|| begun.load(Ordering::SeqCst)));
        server.restart().unwrap();
        open.store(true, Ordering::SeqCst);
        assert_eq!(writer.join().unwrap().unwrap().text, "1", "{keeps}");
        let mut wire = Wire::to(server.url(), "dome");
        assert!(eventually(|| wire.value("N").as_deref() == Some("3")), "{keeps}");
        let reading = ok!(dome(&client).read("SLOW"));
        assert_eq!((&reading.text[..], reading.status), ("1", Status::Ready), "{keeps}");
        assert!(eventually(|| wire.is_registered() && wire.lease().is_some()), "{keeps}");
        assert_eq!(ok!(dome(&client).write_within("N", 4, PATIENCE)).text, "4", "{keeps}");
        assert!(dispatcher.is_serving());
    }
}

async fn a_server_that_is_away_is_an_error_of_each_call<C: Kind>() {
    let mut server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let dispatcher = serve(&client, [Keyword::integer("N").initial(1)]).await.unwrap();
    server.stop().unwrap();
    for outcome in [
        settle!(dome(&client).read("N")).map(drop),
        settle!(dome(&client).write_nowait("N", 2)),
        settle!(dome(&client).monitor(["N"])).map(drop),
        settle!(dome(&client).heartbeat()).map(drop),
    ] {
        assert!(outcome.as_ref().is_err_and(Error::is_connection_lost), "{outcome:?}");
    }
    let written = settle!(dome(&client).write_within("N", 2, Duration::from_millis(50)));
    assert!(written.is_err(), "{written:?}");
    assert!(settle!(dispatcher.set("N", 2)).is_err());
    assert_eq!(dispatcher.get("N").unwrap(), Some(1.into()));
    ok!(dispatcher.shutdown());
}

/// Its connection seems to be there, and nothing comes through.
async fn a_dispatcher_that_is_deaf_is_heard_again<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let (client, distant): (C, C) = (connect(server.url()).await, connect(&proxy.url()).await);
    let _dispatcher = serve(&distant, [Keyword::integer("N").initial(1)]).await.unwrap();
    proxy.hold_listeners();
    let lost = settle!(dome(&client).write_within("N", 2, Duration::from_millis(50)));
    let Err(error @ Error::Timeout { .. }) = lost else { panic!("{lost:?}") };
    assert_eq!(error.applied(), Applied::Perhaps);
    proxy.kill();
    proxy.release();
    assert_eq!(ok!(dome(&client).write_within("N", 3, PATIENCE)).text, "3");
    assert_eq!(ok!(dome(&client).read("N")).text, "3");
}
