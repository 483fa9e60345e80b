//! Warnings when Redis cannot be used.

use std::sync::{Mutex, Once, PoisonError};
use std::time::Instant;

use log::{LevelFilter, Log, Metadata, Record};
use redis_collections::{CacheClient, Loaded, LocalServer};

use super::minute;
use super::source::{Loads, call};
use super::support::concurrent::on_threads_and_tasks;
use super::support::servers::Outcome;

on_threads_and_tasks![a_warning_comes_once_a_second_at_most];

fn a_warning_comes_once_a_second_at_most<C: Loads>() -> Outcome {
    listen();
    let mut server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let name = format!("warned-{}", C::NAME);
    let load = |id: u64, ()| C::work(async move { Ok(Loaded::new(id)) });
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, &*name, minute(), load)?;
    server.stop()?;
    let began = Instant::now();
    for id in 0..50 {
        assert!(call!(cache.get(&id))?.is_some());
    }
    let seconds = began.elapsed().as_secs() as usize;
    let warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let said: Vec<_> = warnings.iter().filter(|line| line.contains(&name)).collect();
    assert!((1..=1 + seconds).contains(&said.len()), "in {seconds} s: {said:?}");
    let expected = format!("WARN the cache {name} loads without Redis: ");
    assert!(said.iter().all(|line| line.starts_with(&expected)), "{said:?}");
    assert_eq!(cache.stats().without_redis, 50);
    Ok(())
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn flush(&self) {}
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Listener).expect("the only logger");
        log::set_max_level(LevelFilter::Warn);
    });
}
