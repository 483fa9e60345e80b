//! Servers that are killed, start again and are cut off.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_collections::keyword::{Keyword, Status};
use redis_collections::{Applied, Error, LocalServer};

use crate::{Patient, connect, dome, serve, write};
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::Kind;
use support::servers::PATIENCE;
use support::servers::proxy::Proxy;
use support::wire::Wire;
use support::{eventually, within};

on_both_kinds! {
    a_write_waits_for_a_server_that_starts_again,
    a_server_that_is_away_is_an_error_of_each_call,
    silent_connections_are_replaced_and_nothing_is_missed,
}

/// The server comes back with its data, or without.
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
    let ended = settle!(dispatcher.shutdown());
    assert!(ended.as_ref().is_err_and(Error::is_connection_lost), "{ended:?}");
}

/// Their connections seem to be there, and nothing comes through.
async fn silent_connections_are_replaced_and_nothing_is_missed<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxies = [(); 2].map(|()| Proxy::to(server.port()).unwrap());
    let [serves, listens]: [C; 2] =
        [connect(&proxies[0].url()).await, connect(&proxies[1].url()).await];
    let client: C = connect(server.url()).await;
    let keywords = [Keyword::integer("N").initial(1), Keyword::integer("LATE")];
    let dispatcher = serve(&serves, keywords).await.unwrap();
    let watched: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = watched.clone();
    let watch = dome(&listens).watch(["N"], move |reading| {
        noted.lock().unwrap().push(reading.text);
        C::loading(Ok(()))
    });
    let _watch = ok!(watch);
    assert!(eventually(|| *watched.lock().unwrap() == ["1"]));
    let before = proxies.each_ref().map(Proxy::connections);
    proxies.iter().for_each(Proxy::hold_listeners);
    let late = settle!(dome(&client).write_within("LATE", 2, Duration::from_secs(1)));
    let Err(error @ Error::Timeout { .. }) = late else { panic!("{late:?}") };
    assert_eq!(error.applied(), Applied::Perhaps);
    ok!(dispatcher.set("N", 3));
    for (proxy, before) in proxies.iter().zip(before) {
        assert!(within(PATIENCE, || proxy.connections() > before), "it connects again");
        proxy.release();
    }
    let last = |text: &str| watched.lock().unwrap().last().is_some_and(|last| last == text);
    assert!(eventually(|| last("3")));
    assert_eq!(ok!(dome(&client).write_within("N", 4, PATIENCE)).text, "4");
    assert!(eventually(|| last("4")));
}
