//! Near caches of servers that are replaced: how old the values are that they serve.

use std::collections::HashSet;
use std::time::Duration;

use redis_collections::{CachedDict, Client, RedisDict, RedisHashDict};
use support::concurrent::{Concurrent, on_shared_cluster, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::servers::cluster::{Cluster, SLOTS};
use support::servers::sentinel::Sentinels;
use support::servers::{Outcome, PATIENCE, query, wait_for};
use support::staleness::{BOUND, MARGIN, Watch, WatchSource, Watches, opened};
use support::within;

on_threads_and_tasks![
    no_stale_value_is_served_when_a_master_of_a_cluster_is_killed,
    no_stale_value_is_served_during_a_planned_failover,
    no_stale_value_is_served_while_slots_move,
    a_key_created_where_its_slot_went_is_found,
    no_stale_value_is_served_when_a_master_of_sentinels_is_killed,
    a_master_that_goes_on_after_a_planned_failover_is_left,
];

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// How often a client asks Sentinels for the master. A cache may follow the old one for so long.
const TRUST: Duration = Duration::from_secs(1);

fn no_stale_value_is_served_when_a_master_of_a_cluster_is_killed<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        notify_of_all_keys(&cluster.urls())?;
        let watches = watches_of::<C>(cluster, "killed")?;
        let slot = SLOTS - 1;
        let master = cluster.master_of(slot)?;
        // Writes that had not reached the replica would be lost.
        watches.while_writers_pause(|| {
            is_replicated(&cluster.url(master))?;
            cluster.kill(master).map_err(Box::<dyn std::error::Error>::from)
        })?;
        cluster.wait_for_new_master(slot, master)?;
        watches.wait_for_traffic();
        let listeners = || {
            let urls = cluster.urls().into_iter().filter(|url| *url != cluster.url(master));
            urls.map(|url| listeners(&url)).collect::<Vec<_>>()
        };
        // One for each cache and master; replicas are not listened to.
        let are_right = || listeners().iter().sum::<usize>() == 3 * watches.0.len();
        assert!(within(PATIENCE, are_right), "{:?} are left", listeners());
        watches.finish("a master of a cluster killed");
        cluster.restart(master)
    })
}

fn no_stale_value_is_served_during_a_planned_failover<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        notify_of_all_keys(&cluster.urls())?;
        let watches = watches_of::<C>(cluster, "exchanged")?;
        for _ in 0..2 {
            cluster.failover(cluster.replica_of(cluster.master_of(8000)?)?)?;
            watches.wait_for_traffic();
        }
        watches.finish("a failover of a cluster");
        Ok(())
    })
}

fn no_stale_value_is_served_while_slots_move<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        notify_of_all_keys(&cluster.urls())?;
        let watches = watches_of::<C>(cluster, "moved")?;
        let keys = WatchSource::ALL.map(|source| format!("{}:0", prefix::<C>("moved", source)));
        let slots: HashSet<u16> =
            keys.iter().map(|key| cluster.key_slot(key)).collect::<Outcome<_>>()?;
        for slot in slots {
            let from = cluster.master_of(slot)?;
            let to = cluster.another_master(from)?;
            cluster.move_slot(slot, from, to)?;
            watches.wait_for_traffic();
            cluster.move_slot(slot, to, from)?;
        }
        watches.finish("slots of a cluster moved");
        Ok(())
    })
}

/// All servers are listened to for a dictionary, but only the one with its slot for a hash and for
/// a dictionary whose keys have a slot in common.
fn a_key_created_where_its_slot_went_is_found<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        notify_of_all_keys(&cluster.urls())?;
        let (client, other) = (C::of(cluster), Client::of(cluster));
        for source in WatchSource::ALL {
            let name = |kind: &str| format!("absent-{kind}-{source:?}-{}", C::NAME);
            let spread = name("spread");
            let tagged = format!("{{{}}}", name("tagged"));
            for prefix in [spread, tagged] {
                let slot = cluster.key_slot(format!("{prefix}:7"))?;
                let from = cluster.master_of(slot)?;
                let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, &*prefix);
                let cached = opened::<C, _>(|| dict.cached(source.near_cache()));
                assert!(eventually(|| get(&cached).is_none() && cached.peek(&7) == Some(None)));
                cluster.move_slot(slot, from, cluster.another_master(from)?)?;
                source.writer(&other, &format!("{prefix}:")).insert(&7, &1)?;
                // Within the bound the cache may be stale or not.
                std::thread::sleep(BOUND + MARGIN);
                assert_eq!(get(&cached), Some(1), "{source:?}, {prefix}");
                let is_kept = || get(&cached) == Some(1) && cached.peek(&7).is_some();
                assert!(eventually(is_kept), "{source:?}, {prefix}");
            }
            let slot = cluster.key_slot(name("hash"))?;
            let from = cluster.master_of(slot)?;
            let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, name("hash"));
            let cached = opened::<C, _>(|| hash.cached(source.near_cache()));
            let get = || C::finish(async { settle!(cached.get(&7)) }).expect("an answer");
            assert!(eventually(|| get().is_none() && cached.peek(&7) == Some(None)));
            cluster.move_slot(slot, from, cluster.another_master(from)?)?;
            RedisHashDict::<u64, u64>::new(&other, name("hash")).insert(&7, &1)?;
            // Within the bound the cache may be stale or not.
            std::thread::sleep(BOUND + MARGIN);
            assert_eq!(get().as_deref(), Some(&1), "{source:?}");
        }
        Ok(())
    })
}

fn no_stale_value_is_served_when_a_master_of_sentinels_is_killed<C: Concurrent>() -> Outcome {
    let mut sentinels = Sentinels::start()?;
    let servers = [sentinels.server_url(0), sentinels.server_url(1)];
    notify_of_all_keys(&servers)?;
    let reader = C::connect(C::sentinel_builder(&sentinels.urls(), sentinels.name()));
    let writer = Client::sentinel(sentinels.urls(), sentinels.name())?;
    let watches = Watches::start(&reader, &writer, "sentinel-killed");
    let first = sentinels.master()?;
    watches.while_writers_pause(|| {
        is_replicated(&servers[first])?;
        sentinels.kill_master()
    })?;
    sentinels.wait_for_new_master(first)?;
    watches.finish("a master of Sentinels killed");
    Ok(())
}

/// Nothing is older than the bound and the time for which a client trusts a master, counted from
/// the acknowledgement by the new master of a write after the Sentinels named it.
fn a_master_that_goes_on_after_a_planned_failover_is_left<C: Concurrent>() -> Outcome {
    let sentinels = Sentinels::start()?;
    let servers = [sentinels.server_url(0), sentinels.server_url(1)];
    notify_of_all_keys(&servers)?;
    let reader = C::connect(C::sentinel_builder(&sentinels.urls(), sentinels.name()));
    let first = sentinels.master()?;
    let second = 1 - first;
    let (old, new) = (Client::open(&servers[first])?, Client::open(&servers[second])?);
    for source in WatchSource::ALL {
        source.writer(&old, &format!("planned-{source:?}:")).insert(&7, &1)?;
    }
    let caches = WatchSource::ALL.map(|source| {
        let dict = RedisDict::<u64, u64, C>::with_prefix(&reader, format!("planned-{source:?}:"));
        opened::<C, _>(|| dict.cached(source.near_cache()))
    });
    let serve = |value: Option<u64>| {
        let mut caches = caches.iter();
        caches.all(|cached| get(cached) == value && cached.peek(&7).is_some())
    };
    assert!(eventually(|| serve(Some(1))));
    is_replicated(&servers[first])?;
    sentinels.be_slow_to_demote()?;
    sentinels.begin_failover()?;
    wait_for("a new name", || Ok(sentinels.master()? == second))?;
    let role = |server: usize| query::<String>(&servers[server], "INFO replication");
    for source in WatchSource::ALL {
        source.writer(&new, &format!("planned-{source:?}:")).insert(&7, &2)?;
    }
    assert!(role(first)?.contains("role:master"), "the old one goes on");
    // Until then the caches may be stale or not.
    std::thread::sleep(TRUST + BOUND + HALF_A_SECOND / 2);
    let went_on = role(first)?.contains("role:master");
    for (source, cached) in WatchSource::ALL.iter().zip(&caches) {
        assert_eq!(get(cached), Some(2), "{source:?}");
    }
    println!("the old master still took writes: {went_on}");
    assert!(within(PATIENCE, || serve(Some(2))));
    Ok(())
}

fn watches_of<C: Concurrent>(cluster: &Cluster, name: &str) -> Outcome<Watches<C>> {
    let (reader, writer) = (C::cluster_builder(cluster), Client::cluster_builder(cluster.urls()));
    let reader = C::connect(reader.response_timeout(HALF_A_SECOND));
    let writer = Client::connect(writer.response_timeout(HALF_A_SECOND));
    let watches = WatchSource::ALL.map(|source| {
        Watch::start(source, &reader, &writer, &format!("{}:", prefix::<C>(name, source)))
    });
    let watches = Watches(watches.into());
    watches.wait_for_traffic();
    Ok(watches)
}

fn prefix<C: Concurrent>(name: &str, source: WatchSource) -> String {
    format!("{name}-{}-{source:?}", C::NAME)
}

fn get<C: Concurrent>(cached: &CachedDict<u64, u64, C>) -> Option<u64> {
    C::finish(async { settle!(cached.get(&7)) }).expect("an answer").as_deref().copied()
}

/// Caches that each add their own kinds could overwrite each other's setting.
fn notify_of_all_keys(urls: &[String]) -> Outcome {
    let setting = "CONFIG SET notify-keyspace-events KEAn";
    Ok(urls.iter().try_for_each(|url| query(url, setting))?)
}

/// Waits until the replica has everything.
fn is_replicated(url: &str) -> Outcome {
    wait_for("the replica", || {
        let info: String = query(url, "INFO replication")?;
        let figure = |name: &str| {
            let after = info.split(name).nth(1)?;
            after.split([',', '\r']).next()?.parse::<u64>().ok()
        };
        Ok(figure(",offset=") == figure("master_repl_offset:"))
    })
}

fn listeners(url: &str) -> usize {
    let clients: String = query(url, "CLIENT LIST TYPE pubsub").unwrap_or_default();
    clients.lines().count()
}
