//! Functions of a dispatcher's program that hang or fail, and its copy of the values then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use redis_collections::keyword::KeywordError::Refused;
use redis_collections::keyword::{Dispatcher, Keyword, Value};
use redis_collections::{Applied, AsyncClient, Client, Error, HandlerResult, LocalServer};

use crate::{LEASE, connect, dome, serve};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::{Kind, RUNTIME, SourceDown};
use support::servers::proxy::{Direction, Proxy};
use support::wire::Wire;

on_both_kinds! {
    a_value_is_written_again_after_its_hook_failed,
    a_hook_may_set_its_own_keyword,
    newer_values_of_another_dispatcher_are_adopted,
    the_local_copy_follows_when_the_server_forgets_times,
    an_invalid_time_is_replaced,
    a_lost_reply_leaves_no_stale_copy,
}

/// Also one that should not wait for anything.
#[test]
fn a_hanging_hook_blocks_only_its_own_keyword() {
    type Amend = fn(Keyword, mpsc::Receiver<()>) -> Keyword;
    let ways: [(&str, Amend); 3] = [
        ("check", |keyword, gate| {
            let gate = Mutex::new(gate);
            keyword.check(move |_| {
                let _ = gate.lock().unwrap().recv();
                Ok::<_, String>(())
            })
        }),
        ("translate", |keyword, gate| {
            let gate = Mutex::new(gate);
            keyword.translate(move |value| {
                let _ = gate.lock().unwrap().recv();
                Ok::<_, String>(value)
            })
        }),
        ("on_change", |keyword, gate| {
            let gate = Mutex::new(gate);
            keyword.on_change(move |_| {
                let _ = gate.lock().unwrap().recv();
            })
        }),
    ];
    for (way, amend) in ways {
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let (open, gate) = mpsc::channel();
        let hangs = amend(Keyword::integer("HANGS"), gate);
        let dispatcher = Dispatcher::builder("dome").lease(LEASE).keyword(hangs);
        let dispatcher = dispatcher.keyword(Keyword::integer("N")).serve(&client).unwrap();
        let mut wire = Wire::to(server.url(), "dome");
        let asked = wire.ask("HANGS", b"1");
        // Until the lease would have expired without its renewals.
        let begun = std::time::Instant::now();
        let mut number = 0;
        while begun.elapsed() < 2 * LEASE {
            number += 1;
            assert_eq!(wire.write("N", number.to_string()), number.to_string(), "{way}");
            assert!(wire.lease().is_some(), "{way}");
        }
        open.send(()).unwrap();
        assert!(wire.outcome(&asked).ends_with(" 1"), "{way}");
        drop(open);
        dispatcher.shutdown().unwrap();
    }
}

/// A failed hook may have moved its device.
async fn a_value_is_written_again_after_its_hook_failed<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let keyword = Keyword::integer("N").on_write(move |value| {
        counted.fetch_add(1, Ordering::SeqCst);
        C::loading(if value.as_i64() == Some(13) { Err(SourceDown) } else { Ok(()) })
    });
    let _dispatcher = serve(&client, [keyword]).await.unwrap();
    for (value, is_taken, called) in
        [(1, true, 1), (1, true, 1), (13, false, 2), (1, true, 3), (1, true, 3)]
    {
        assert_eq!(settle!(dome(&client).write("N", value)).is_ok(), is_taken, "{value}");
        assert_eq!(calls.load(Ordering::SeqCst), called, "{value}");
    }
}

async fn a_hook_may_set_its_own_keyword<C: Kind>()
where
    C::Reply<()>: HandlerResult<(), C>,
{
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let shared: Arc<OnceLock<Dispatcher<C>>> = Arc::default();
    let own = shared.clone();
    let keyword = Keyword::integer("N").on_write(move |value| {
        let half = value.as_i64().map(|number| number / 2);
        own.get().unwrap().set("N", half.unwrap_or_default())
    });
    let dispatcher = serve(&client, [keyword]).await.unwrap();
    shared.set(dispatcher.clone()).unwrap();
    assert_eq!(ok!(dome(&client).write("N", 8)).text, "8");
    assert!(eventually(|| history(&dispatcher) == ["4", "8"]));
    ok!(dispatcher.shutdown());
}

fn history<C: Kind>(dispatcher: &Dispatcher<C>) -> Vec<String> {
    dispatcher.history("N").unwrap().into_iter().map(|(_, value)| value.to_string()).collect()
}

async fn newer_values_of_another_dispatcher_are_adopted<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let changes: Arc<Mutex<Vec<Value>>> = Arc::default();
    let noted = changes.clone();
    let keywords = [
        Keyword::integer("N")
            .initial(1)
            .on_change(move |change| noted.lock().unwrap().push(change.value.clone())),
        Keyword::integer("EMPTY"),
    ];
    let dispatcher = serve(&client, keywords).await.unwrap();
    let mut wire = Wire::to(server.url(), "dome");
    let later = (wire.time("N").unwrap() + 1).to_string();
    let times = wire.name("~rc:times");
    for keyword in ["N", "EMPTY"] {
        wire.set(&format!(".{keyword}"), "5");
        let _: usize = wire.run(&[b"HSET", times.as_bytes(), keyword.as_bytes(), later.as_bytes()]);
    }
    let _: i64 = wire.run(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]);
    for keyword in ["N", "EMPTY"] {
        let taken_over = || dispatcher.get(keyword).unwrap() == Some(Value::Integer(5));
        assert!(eventually(taken_over), "{keyword}");
        assert_eq!(wire.value(keyword).as_deref(), Some("5"));
    }
    assert!(eventually(|| *changes.lock().unwrap() == [Value::Integer(5)]));
}

async fn the_local_copy_follows_when_the_server_forgets_times<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let dispatcher = serve(&client, [Keyword::integer("N").initial(1)]).await.unwrap();
    let mut wire = Wire::to(server.url(), "dome");
    let (times, ahead) = (wire.name("~rc:times"), (wire.time("N").unwrap() * 2).to_string());
    let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", ahead.as_bytes()]);
    ok!(dispatcher.set("N", 2));
    let _: usize = wire.run(&[b"HDEL", times.as_bytes(), b"N"]);
    for number in [3, 4] {
        ok!(dispatcher.set("N", number));
        assert_eq!(dispatcher.get("N").unwrap(), Some(Value::Integer(number)));
        assert!(wire.time("N") > ahead.parse().ok());
    }
    assert!(matches!(
        settle!(dome(&client).write("N", "x")),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
}

async fn an_invalid_time_is_replaced<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let dispatcher = serve(&client, [Keyword::integer("N").initial(0)]).await.unwrap();
    let mut wire = Wire::to(server.url(), "dome");
    let (times, mut before) = (wire.name("~rc:times"), wire.time("N"));
    for (number, time) in [(1, "x"), (2, "nan"), (3, "1e300"), (4, "-inf"), (5, "")] {
        let _: usize = wire.run(&[b"HSET", times.as_bytes(), b"N", time.as_bytes()]);
        ok!(dispatcher.set("N", number));
        assert_eq!(dispatcher.get("N").unwrap(), Some(Value::Integer(number)), "{time}");
        let now = wire.time("N");
        assert!(now > before, "{time}");
        before = now;
    }
}

/// A keyword whose hook counts how often it is called.
fn counted<C: Kind>() -> (Keyword<C>, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let keyword = Keyword::integer("N").on_write(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        C::loading(Ok(()))
    });
    (keyword, calls)
}

async fn a_lost_reply_leaves_no_stale_copy<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let patience = Duration::from_secs(1);
    let client = C::connected(C::builder(&proxy.url()).response_timeout(patience)).await;
    let (keyword, calls) = counted();
    let dispatcher = serve(&client, [keyword]).await.unwrap();
    // The server knows the script from now on.
    ok!(dispatcher.set("N", 1));
    proxy.hold(Direction::Replies);
    let set = settle!(dispatcher.set("N", 90)).unwrap_err();
    assert_eq!(set.applied(), Applied::Perhaps, "{set}");
    proxy.release();
    let mut wire = Wire::to(server.url(), "dome");
    assert_eq!(wire.number("N"), Some(90));
    assert!(eventually(|| wire.listeners() == 1));
    assert_eq!((wire.write("N", "1"), calls.load(Ordering::SeqCst)), ("1".into(), 1));
}

#[test]
fn a_call_that_is_dropped_leaves_no_stale_copy() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    RUNTIME.block_on(async {
        let client: AsyncClient = connect(&proxy.url()).await;
        let (keyword, calls) = counted();
        let dispatcher = serve(&client, [keyword]).await.unwrap();
        dispatcher.set("N", 1).await.unwrap();
        let mut wire = Wire::to(server.url(), "dome");
        for (value, looks) in [(90, true), (91, false)] {
            proxy.hold(Direction::Replies);
            let set = tokio::spawn(dispatcher.set("N", value));
            assert!(eventually(|| wire.number("N") == Some(value)));
            set.abort();
            assert!(set.await.is_err());
            proxy.release();
            let known = || dispatcher.get("N").unwrap() == Some(Value::Integer(value));
            assert!(!looks || eventually(known));
            assert_eq!(wire.write("N", "1"), "1");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    });
}
