//! Warnings when Redis cannot be used.

use std::time::Instant;

use redis_collections::{CacheClient, Loaded, LocalServer};

use super::minute;
use super::source::{Loads, call};
use support::concurrent::on_threads_and_tasks;
use support::servers::Outcome;
use support::warnings::{collect_warnings, warnings_with};

on_threads_and_tasks![a_warning_comes_once_a_second_at_most];

fn a_warning_comes_once_a_second_at_most<C: Loads>() -> Outcome {
    collect_warnings();
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
    let said = warnings_with(&name);
    assert!((1..=1 + seconds).contains(&said.len()), "in {seconds} s: {said:?}");
    let expected = format!("WARN the cache {name} loads without Redis: ");
    assert!(said.iter().all(|line| line.starts_with(&expected)), "{said:?}");
    assert_eq!(cache.stats().without_redis, 50);
    Ok(())
}
