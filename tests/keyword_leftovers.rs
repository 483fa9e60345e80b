//! Leftovers of the keyword service. Alone in its program, so that it can count threads.
#![cfg(all(feature = "keyword", target_os = "linux"))]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use redis_collections::LocalServer;
use redis_collections::keyword::{self, Dispatcher, Keyword, Service};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::leftovers::{tasks, threads};
use support::patient::Patient;
use support::servers::{Outcome, query};
use support::wire::Wire;
use support::{eventually, send_signal};

on_threads_and_tasks![
    nothing_is_left_of_feeds,
    nothing_is_left_of_feeds_of_a_server_that_hangs,
    nothing_is_left_of_a_monitor_without_the_right_to_write,
    only_values_are_left_of_a_dispatcher,
    a_hook_that_hangs_keeps_no_connection_that_listens,
    a_callback_that_hangs_keeps_no_connection_that_listens,
    no_key_is_left_of_writes,
];

/// A server, and the resources of its clients without a listener.
struct Fixture<C> {
    server: LocalServer,
    client: C,
    tasks: usize,
    _turn: MutexGuard<'static, ()>,
}

impl<C: Concurrent> Fixture<C> {
    fn new() -> Outcome<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let server = LocalServer::start()?;
        let builder = C::builder(server.url()).response_timeout(Duration::from_secs(1));
        let client = C::connect(builder);
        C::finish(client.check())?;
        let tasks = tasks();
        Ok(Self { server, client, tasks, _turn: turn })
    }

    fn dome(&self) -> Service<C> {
        keyword::Client::new(&self.client).service("dome")
    }

    fn serve(&self, keywords: impl IntoIterator<Item = Keyword<C>>) -> Outcome<Dispatcher<C>> {
        let dispatcher = Dispatcher::builder("dome").keywords(keywords);
        let dispatcher = dispatcher.lease(LEASE).grace(Duration::ZERO);
        Ok(C::finish(async { settle!(dispatcher.serve(&self.client)) })?)
    }

    fn listeners(&self) -> Outcome<usize> {
        Ok(query::<String>(self.server.url(), "CLIENT LIST TYPE pubsub")?.lines().count())
    }

    fn has_threads_and_tasks(&self) -> usize {
        threads() + tasks().saturating_sub(self.tasks)
    }

    fn expect_no_subscriber(&self) {
        let count = || self.listeners().ok();
        assert!(eventually(|| count() == Some(0)), "{:?}", count());
    }

    fn expect_nothing(&self) {
        let left = || self.has_threads_and_tasks();
        assert!(eventually(|| left() == 0), "{} threads, {} tasks", threads(), tasks());
        self.expect_no_subscriber();
    }
}

/// A dispatcher, monitors and a watch.
fn listening<C: Concurrent>(fixture: &Fixture<C>) -> Outcome<impl Sized + use<C>> {
    let keywords = ["A", "B"].map(|name| Keyword::integer(name).initial(1));
    let dispatcher = fixture.serve(keywords)?;
    let dome = fixture.dome();
    let all = C::finish(async {
        redis_collections::Result::<_>::Ok((
            settle!(dome.monitor(["A"]))?,
            settle!(dome.monitor_all())?,
            settle!(dome.watch(["B"], |_| C::loading(Ok(()))))?,
        ))
    })?;
    assert_eq!(fixture.listeners()?, 4);
    assert!(eventually(|| fixture.has_threads_and_tasks() >= 4));
    Ok((dispatcher, all))
}

fn nothing_is_left_of_feeds<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    for _ in 0..2 {
        drop(listening(&fixture)?);
        fixture.expect_nothing();
    }
    Ok(())
}

fn nothing_is_left_of_feeds_of_a_server_that_hangs<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    let all = listening(&fixture)?;
    send_signal("STOP", fixture.server.process_id())?;
    drop(all);
    // A connection of the client itself may have ended, with its task.
    let left = || fixture.has_threads_and_tasks();
    assert!(eventually(|| left() == 0), "{} threads, {} tasks", threads(), tasks());
    send_signal("CONT", fixture.server.process_id())?;
    fixture.expect_no_subscriber();
    Ok(())
}

fn nothing_is_left_of_a_monitor_without_the_right_to_write<C: Concurrent>() -> Outcome {
    let mut fixture = Fixture::<C>::new()?;
    query::<()>(fixture.server.url(), "ACL SETUSER ann on >pw ~* &* +@all -@write -publish")?;
    let builder = C::builder(fixture.server.url()).user("ann").password("pw");
    fixture.client = C::connect(builder);
    C::finish(fixture.client.check())?;
    fixture.tasks = tasks();
    let dome = fixture.dome();
    let monitor = C::finish(async { settle!(dome.monitor(["A"])) })?;
    assert_eq!(fixture.listeners()?, 1);
    drop(monitor);
    fixture.expect_nothing();
    Ok(())
}

fn only_values_are_left_of_a_dispatcher<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    drop(listening(&fixture)?);
    fixture.expect_nothing();
    let keys: Vec<String> = query(fixture.server.url(), "KEYS *")?;
    let is_of_a_keyword = |key: &&String| key.starts_with("Cauldron.redis.common.dome.");
    let of_the_service = keys.iter().filter(|key| !is_of_a_keyword(key));
    for key in of_the_service {
        let ending = key.rsplit(':').next().unwrap_or_default();
        assert!(["keywords", "times", "last"].contains(&ending), "{key}");
    }
    Ok(())
}

fn a_hook_that_hangs_keeps_no_connection_that_listens<C: Concurrent + Patient>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    let (hang, gate) = hanging::<C, _>();
    let dispatcher = fixture.serve([Keyword::integer("N").on_write(hang)])?;
    Wire::to(fixture.server.url(), "dome").ask("N", b"1");
    gate.begun.recv()?;
    drop(dispatcher);
    fixture.expect_no_subscriber();
    let lease =
        || query::<usize>(fixture.server.url(), "EXISTS Cauldron.redis.common.dome~rc:lease");
    assert!(eventually(|| lease() == Ok(0)), "it gives its name back");
    drop(gate);
    fixture.expect_nothing();
    Ok(())
}

fn a_callback_that_hangs_keeps_no_connection_that_listens<C: Concurrent + Patient>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    let dispatcher = fixture.serve([Keyword::integer("N").initial(1)])?;
    let (callback, gate) = hanging::<C, _>();
    let watch = C::finish(async { settle!(fixture.dome().watch(["N"], callback)) })?;
    gate.begun.recv()?;
    drop((dispatcher, watch));
    fixture.expect_no_subscriber();
    drop(gate);
    fixture.expect_nothing();
    Ok(())
}

fn no_key_is_left_of_writes<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::new()?;
    let keywords = [
        Keyword::integer("N"),
        Keyword::integer("R").read_only(),
        Keyword::integer("W").write_only().on_write(|_| C::loading(Ok(()))),
    ];
    let _dispatcher = fixture.serve(keywords)?;
    let dome = fixture.dome();
    for (keyword, value) in [("N", "1"), ("N", "x"), ("R", "1"), ("W", "1"), ("X", "1")] {
        // Whether it is taken does not matter here.
        let _ = C::finish(async { settle!(dome.write_within(keyword, value, AN_HOUR)) });
    }
    let writes = [("N", "2"), ("N", "x")];
    C::finish(async { settle!(dome.write_many(writes, AN_HOUR)) })?;
    let outcomes = || query::<Vec<String>>(fixture.server.url(), "KEYS *~rc:outcome:*");
    assert_eq!(outcomes(), Ok(Vec::new()));
    Ok(())
}

/// Reports that a function was called, which continues when this is dropped.
struct Gate {
    begun: mpsc::Receiver<()>,
    _open: Arc<()>,
}

fn hanging<C: Patient, T>() -> (impl Fn(T) -> C::Waiting + Send + Sync + 'static, Gate) {
    let ((begin, begun), open) = (mpsc::channel(), Arc::new(()));
    let closed = Arc::downgrade(&open);
    let hang = move |_| {
        let _ = begin.send(());
        let closed = closed.clone();
        C::wait_for(move || closed.strong_count() == 0)
    };
    (hang, Gate { begun, _open: open })
}

const AN_HOUR: Duration = Duration::from_secs(3600);
/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_millis(1500);
