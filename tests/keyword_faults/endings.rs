//! Dispatchers that end, the outcomes of requests meanwhile, and the release of their names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_collections::keyword::KeywordError::{Abandoned, NotServed, Refused};
use redis_collections::keyword::{Dispatcher, Keyword, Reading, Status};
use redis_collections::{Applied, AsyncClient, Error, LocalServer};
use tokio::runtime::{Builder, Runtime};

use crate::{Patient, connect, dome, serve_patiently, write};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::proxy::{Direction, Proxy};
use support::servers::{PATIENCE, query};
use support::wire::Wire;

on_both_kinds! {
    a_shutdown_reports_a_name_that_was_not_released,
    no_write_is_left_when_its_service_starts_again,
    running_writes_are_abandoned_with_their_dispatcher,
    no_write_is_left_whose_function_returns_when_its_dispatcher_ends,
    a_dispatcher_may_be_dropped_in_its_own_hook,
}

async fn a_shutdown_reports_a_name_that_was_not_released<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let mut wire = Wire::to(server.url(), "dome");

    // The server hangs.
    let proxy = Proxy::to(server.port()).unwrap();
    let builder = C::builder(&proxy.url()).response_timeout(Duration::from_secs(1));
    let client = C::connected(builder).await;
    let dispatcher = serve_patiently(&client, Keyword::integer("N")).await;
    proxy.hold(Direction::Replies);
    proxy.hold(Direction::Requests);
    let error = settle!(dispatcher.shutdown()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(wire.lease().is_some());
    proxy.release();
    ok!(dispatcher.shutdown());
    assert_eq!(wire.lease(), None);

    // The user has lost its rights.
    let () = query(server.url(), "ACL SETUSER ann on >pw ~* &* +@all").unwrap();
    let client = C::build(C::builder(server.url()).user("ann").password("pw")).await.unwrap();
    let dispatcher = serve_patiently(&client, Keyword::integer("N")).await;
    let () = query(server.url(), "ACL SETUSER ann -@all").unwrap();
    let error = settle!(dispatcher.shutdown()).unwrap_err();
    assert_eq!((error.code(), error.applied()), (Some("NOPERM"), Applied::No), "{error}");
    assert_eq!(error.attempt().map(|attempt| attempt.command()), Some("shutdown"), "{error}");
    assert!(wire.lease().is_some());
    let () = query(server.url(), "ACL SETUSER ann +@all").unwrap();
    ok!(dispatcher.shutdown());
    assert_eq!(wire.lease(), None);
}

/// Whether it is shut down or dropped, writers have an outcome of each write.
async fn no_write_is_left_when_its_service_starts_again<C: Patient>() {
    const WRITERS: i64 = 4;
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let keyword = || Keyword::integer("N").initial(0).on_write(|_| C::wait_for(|| true));
    let mut dispatcher = serve_patiently(&client, keyword()).await;
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (service, ended) = (dome(&client), ended.clone());
            std::thread::spawn(move || {
                let (mut number, mut done) = (0, 0);
                while !ended.load(Ordering::SeqCst) {
                    number += 1;
                    let write = service.write_within("N", WRITERS * number + writer, PATIENCE);
                    match C::finish(C::settle(write)) {
                        Ok(_) => done += 1,
                        Err(Error::Keyword { source: Refused { .. } | NotServed, .. }) => {}
                        Err(Error::Keyword { source: Abandoned, .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                done
            })
        })
        .collect();
    let mut wire = Wire::to(server.url(), "dome");
    for restart in 0..16 {
        // It has done something.
        let before = wire.time("N");
        assert!(eventually(|| wire.time("N") > before));
        match restart % 2 {
            0 => ok!(dispatcher.shutdown()),
            _ => drop(dispatcher),
        }
        dispatcher = serve_patiently(&client, keyword()).await;
    }
    ended.store(true, Ordering::SeqCst);
    let done: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    assert!(done.iter().sum::<usize>() > 0, "{done:?}");
}

async fn running_writes_are_abandoned_with_their_dispatcher<C: Patient>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    for is_shut_down in [true, false] {
        let [begun, open, gone]: [Arc<AtomicBool>; 3] = Default::default();
        let (begins, opened) = (begun.clone(), open.clone());
        let keyword = Keyword::integer("N").initial(0).on_write(move |_| {
            begins.store(true, Ordering::SeqCst);
            let opened = opened.clone();
            C::wait_for(move || opened.load(Ordering::SeqCst))
        });
        let kept = gone.clone();
        let keyword = keyword.on_change(move |_| kept.store(true, Ordering::SeqCst));
        let builder = Dispatcher::builder("dome").keyword(keyword).lease(PATIENCE);
        let dispatcher = ok!(builder.grace(Duration::ZERO).serve(&client));
        let writer = write(&dome(&client), "N", 1, PATIENCE);
        assert!(eventually(|| begun.load(Ordering::SeqCst)));
        let is_written = |it: &Reading| it.status == Status::Modify;
        ok!(dome(&client).wait_for("N", is_written, PATIENCE));
        match is_shut_down {
            true => ok!(dispatcher.shutdown()),
            false => drop(dispatcher),
        }
        let error = writer.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Keyword { source: Abandoned, .. }), "{error}");
        assert_eq!(error.applied(), Applied::Perhaps);
        let reading = ok!(dome(&client).read("N"));
        assert_eq!((reading.status, &reading.text[..]), (Status::Error, "0"));
        assert!(reading.error.is_some_and(|it| it.contains("its dispatcher ended")));
        open.store(true, Ordering::SeqCst);
        let _next = serve_patiently(&client, Keyword::integer("N")).await;
        assert_eq!(ok!(dome(&client).write("N", 2)).text, "2");
        assert!(!gone.load(Ordering::SeqCst), "the change of an abandoned write is not delivered");
    }
}

async fn no_write_is_left_whose_function_returns_when_its_dispatcher_ends<C: Patient>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    for restart in 0..32 {
        let [begun, ends]: [Arc<AtomicBool>; 2] = Default::default();
        let (begins, ending) = (begun.clone(), ends.clone());
        let keyword = Keyword::integer("N").initial(0).on_write(move |_| {
            begins.store(true, Ordering::SeqCst);
            let ending = ending.clone();
            C::wait_for(move || ending.load(Ordering::SeqCst))
        });
        let builder = Dispatcher::builder("dome").keyword(keyword).lease(PATIENCE);
        let dispatcher = ok!(builder.grace(Duration::ZERO).serve_within(&client, PATIENCE));
        let writer = write(&dome(&client), "N", 1 + restart, PATIENCE);
        assert!(eventually(|| begun.load(Ordering::SeqCst)));
        ends.store(true, Ordering::SeqCst);
        match restart % 2 {
            0 => ok!(dispatcher.shutdown()),
            _ => drop(dispatcher),
        }
        match writer.join().unwrap() {
            Ok(_) | Err(Error::Keyword { source: Abandoned, .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn a_dispatcher_may_be_dropped_in_its_own_hook<C: Patient>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let shared: Arc<Mutex<Option<Dispatcher<C>>>> = Arc::default();
    let own = shared.clone();
    let keyword = Keyword::integer("N").initial(0).on_write(move |_| {
        drop(own.lock().unwrap().take());
        C::wait_for(|| true)
    });
    *shared.lock().unwrap() = Some(serve_patiently(&client, keyword).await);
    let outcome = write(&dome(&client), "N", 1, PATIENCE).join().unwrap();
    assert!(matches!(outcome, Err(Error::Keyword { source: Abandoned, .. })), "{outcome:?}");
    // The writer learns of it a moment earlier.
    assert!(eventually(|| Wire::to(server.url(), "dome").lease().is_none()));
}

#[test]
fn a_dispatcher_whose_runtime_has_ended_gives_its_name_back() {
    let server = LocalServer::start().unwrap();
    let runtime = Runtime::new().unwrap();
    let dispatcher = runtime.block_on(async {
        let client: AsyncClient = connect(server.url()).await;
        serve_patiently(&client, Keyword::integer("N")).await
    });
    drop(runtime);
    Runtime::new().unwrap().block_on(dispatcher.shutdown()).unwrap();
    assert_eq!(Wire::to(server.url(), "dome").lease(), None);
}

/// Its worker may be a task that waits for the thread on which it is dropped.
#[test]
fn a_dispatcher_is_dropped_in_a_task_without_waiting_for_its_worker() {
    let server = LocalServer::start().unwrap();
    for threads in [1, 2] {
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
        let url = server.url().to_owned();
        let drops = async move {
            let client: AsyncClient = connect(&url).await;
            let mut shortest = Duration::MAX;
            for _ in 0..5 {
                let dispatcher = serve_patiently(&client, Keyword::integer("N")).await;
                let begin = Instant::now();
                drop(dispatcher);
                shortest = shortest.min(begin.elapsed());
                assert_eq!(Wire::to(&url, "dome").lease(), None);
            }
            shortest
        };
        let runtime = runtime.unwrap();
        let shortest = runtime.block_on(async { tokio::spawn(drops).await.unwrap() });
        assert!(shortest < Duration::from_secs(1), "{threads} threads: {shortest:?}");
    }
}
