//! Warnings when Redis cannot be used.

use redis_collections::{CacheClient, Loaded, LocalServer};

use super::minute;
use super::source::{Loads, call};
use support::concurrent::on_threads_and_tasks;
use support::events::{collect_events, events_with};
use support::servers::Outcome;

on_threads_and_tasks![an_outage_is_logged_once];

fn an_outage_is_logged_once<C: Loads>() -> Outcome {
    collect_events();
    let mut server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let name = format!("warned-{}", C::NAME);
    let load = |id: u64, ()| C::work(async move { Ok(Loaded::new(id)) });
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, &*name, minute(), load)?;
    server.stop()?;
    for id in 0..50 {
        assert!(call!(cache.get(&id))?.is_some());
    }
    let said = events_with(&name);
    assert_eq!(said.len(), 1, "{said:?}");
    let target = "WARN redis_collections::read_through";
    let expected =
        format!("{target}: a read-through cache loads without Redis cache={name} error=");
    assert!(said[0].starts_with(&expected), "{said:?}");
    assert_eq!(cache.stats().without_redis, 50);
    Ok(())
}
