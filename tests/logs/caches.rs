//! Near caches, subscriptions and read-through caches.

use std::time::Duration;

use redis_collections::testing::FaultProxy;
use redis_collections::{
    CacheClient, CachePolicy, Loaded, LocalServer, NearCacheSettings, RedisDict,
};
use support::contract::{ok, on_both_kinds, settle};
use support::events::{collect_events, events_with};
use support::eventually;
use support::kinds::Kind;

use crate::{OUTAGE, assert_events, call_for, events_until};

on_both_kinds! {
    a_near_cache_is_disconnected_once_and_connected_again,
    a_read_through_cache_without_redis_says_so_once,
    a_subscription_says_once_which_changes_it_cannot_see,
}

fn name<C>(name: &str) -> String {
    format!("logged-{name}-{}", std::any::type_name::<C>().rsplit(':').next().unwrap())
}

async fn a_near_cache_is_disconnected_once_and_connected_again<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let proxy = FaultProxy::to(server.url()).unwrap();
    let client = C::build(C::builder(proxy.url())).await.unwrap();
    let name = name::<C>("near");
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, &*name);
    let cached = ok!(dict.cached(NearCacheSettings::writer_messages()));
    proxy.cut();
    call_for(OUTAGE, async || drop(settle!(cached.get("k")))).await;
    proxy.forward();
    let text = format!("cache={name}:");
    let target = "redis_collections::near_cache";
    let lost = format!("WARN {target}: a near cache is disconnected {text}");
    let restored = format!("INFO {target}: a near cache is connected again {text} outage_ms=");
    assert_events(&events_until(&text, &restored), &[&lost, &restored]);
    assert!(eventually(|| cached.stats().is_certain));
    assert_eq!(events_with(&text).len(), 2);
}

async fn a_read_through_cache_without_redis_says_so_once<C: Kind>() {
    collect_events();
    let mut server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let name = name::<C>("loads");
    let load = |id: u64, ()| C::loading(Ok(Loaded::new(id)));
    let policy = CachePolicy::time_to_live(Duration::from_secs(60));
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, &*name, policy, load).unwrap();
    server.stop().unwrap();
    call_for(OUTAGE, async || assert!(ok!(cache.get(&1)).is_some())).await;
    let expected = format!(
        "WARN redis_collections::read_through: a read-through cache loads without Redis \
         cache={name} error="
    );
    assert_events(&events_with(&format!("cache={name}")), &[&expected]);
    server.restart().unwrap();
    while cache.stats().hits == 0 {
        ok!(cache.get(&1));
    }
    server.stop().unwrap();
    call_for(OUTAGE, async || assert!(ok!(cache.get(&2)).is_some())).await;
    assert_events(&events_with(&format!("cache={name}")), &[&expected, &expected]);
}

async fn a_subscription_says_once_which_changes_it_cannot_see<C: Kind>() {
    collect_events();
    let server = LocalServer::start_with(&["--rename-command", "CONFIG", "hidden"]).unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let name = name::<C>("unseen");
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, &*name);
    let mut events = ok!(dict.subscribe("*"));
    assert!(!events.sees_foreign_writes());
    let () = support::servers::query(server.url(), "CLIENT KILL TYPE pubsub").unwrap();
    C::event(&mut events).await.expect("a gap");
    let expected = format!(
        "WARN redis_collections::subscription: changes that no writer publishes are unseen \
         collection={name}: error="
    );
    assert_events(&events_with(&name), &[&expected]);
}
