//! Many clients at once, while subscriptions are cut.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use redis_collections::keyword::KeywordError::{NotServed, Refused};
use redis_collections::keyword::{Keyword, Value};
use redis_collections::{Applied, Error, LocalServer};

use crate::{connect, dome, serve, serve_patiently};
use support::contract::on_both_kinds;
use support::eventually;
use support::kinds::Kind;
use support::servers::{PATIENCE, query};

on_both_kinds! {
    each_of_many_writers_of_one_keyword_has_its_own_outcome,
    a_write_while_subscriptions_are_cut_has_a_true_outcome,
}

const WRITERS: i64 = 8;
const WRITES: i64 = 40;

/// What the hook of a dispatcher was called for, how often for each value.
type Log = Arc<Mutex<BTreeMap<i64, usize>>>;

/// An integer that may not be odd, and notes what it is written.
fn even<C: Kind>(log: &Log) -> Keyword<C> {
    let log = log.clone();
    let check = |value: &Value| match value.as_i64() {
        Some(number) if number % 2 == 0 => Ok(()),
        _ => Err(format!("{value} is odd")),
    };
    Keyword::integer("N").check(check).on_write(move |value| {
        *log.lock().unwrap().entry(value.as_i64().unwrap()).or_default() += 1;
        C::loading(Ok(()))
    })
}

/// Writes numbers that no other writer writes. Gives those that were taken, and those of which it is
/// unknown.
fn write_many<C: Kind>(client: &C, writer: i64, time: Duration) -> (Vec<i64>, Vec<i64>) {
    let (mut taken, mut unknown) = (Vec::new(), Vec::new());
    for number in (0..WRITES).map(|number| number + writer * WRITES) {
        match C::finish(C::settle(dome(client).write_within("N", number, time))) {
            Ok(reading) => {
                assert_eq!((reading.text, number % 2), (number.to_string(), 0));
                taken.push(number);
            }
            Err(Error::Keyword { source: Refused { reason, .. }, .. }) => {
                assert_eq!(reason, format!("{number} is odd"))
            }
            Err(error) if error.applied() == Applied::Perhaps => unknown.push(number),
            Err(error) => assert!(
                matches!(error, Error::Keyword { source: NotServed, .. }),
                "{number}: {error}"
            ),
        }
    }
    (taken, unknown)
}

/// All that was taken, and all of which it is unknown.
fn written_by_all<C: Kind>(url: &str, time: Duration) -> (Vec<i64>, Vec<i64>) {
    let writers = (0..WRITERS).map(|writer| {
        let client: C = C::finish(connect(url));
        thread::spawn(move || write_many(&client, writer, time))
    });
    let writers: Vec<_> = writers.collect();
    let (taken, unknown): (Vec<_>, Vec<_>) =
        writers.into_iter().map(|writer| writer.join().unwrap()).unzip();
    (taken.concat(), unknown.concat())
}

async fn each_of_many_writers_of_one_keyword_has_its_own_outcome<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let (client, log): (C, Log) = (connect(server.url()).await, Log::default());
    let _dispatcher = serve_patiently(&client, even(&log)).await;
    let url = server.url().to_owned();
    let writing = thread::spawn(move || written_by_all::<C>(&url, PATIENCE));
    let (mut taken, unknown) = writing.join().unwrap();
    taken.sort_unstable();
    assert_eq!((taken.len() as i64, unknown.len()), (WRITERS * WRITES / 2, 0));
    assert!(
        log.lock()
            .unwrap()
            .iter()
            .map(|(number, times)| (*number, *times))
            .eq(taken.into_iter().map(|number| (number, 1)))
    );
}

async fn a_write_while_subscriptions_are_cut_has_a_true_outcome<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let (client, log): (C, Log) = (connect(server.url()).await, Log::default());
    let dispatcher = serve(&client, [even(&log)]).await.unwrap();
    let (url, done, cuts) = (server.url().to_owned(), AtomicBool::new(false), AtomicUsize::new(0));
    let (taken, unknown) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let killed: usize = query(&url, "CLIENT KILL TYPE pubsub").unwrap();
                cuts.fetch_add(killed, Ordering::SeqCst);
                // Until the dispatcher has come back, and has served a client.
                let before = log.lock().unwrap().len();
                let goes_on = || done.load(Ordering::SeqCst) || log.lock().unwrap().len() > before;
                assert!(eventually(goes_on));
            }
        });
        let written = scope.spawn(|| written_by_all::<C>(&url, BRIEFLY)).join();
        done.store(true, Ordering::SeqCst);
        written.unwrap()
    });
    let log = log.lock().unwrap();
    let cuts = cuts.into_inner();
    println!("{cuts} cuts, {} taken, {} unknown", taken.len(), unknown.len());
    for number in &taken {
        assert_eq!(log.get(number), Some(&1), "{number} was taken");
    }
    for (number, times) in &*log {
        assert!(*times == 1 && (taken.contains(number) || unknown.contains(number)), "{number}");
    }
    assert!(cuts > 0 && !taken.is_empty() && dispatcher.is_serving());
}

/// How long a request that was cut off is waited for.
const BRIEFLY: Duration = Duration::from_secs(2);
