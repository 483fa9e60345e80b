//! Operations of several pages, in the middle of which another process takes the place of the
//! server at its address. It has the same data, in another order.

use std::collections::HashSet;
use std::net::TcpListener;

use redis::cmd;
use redis_collections::{
    Applied, CacheClient, CachePolicy, Client, Error, Loaded, LocalServer, RedisDict,
    RedisHashDict, RedisSet, WorkQueue,
};
use support::concurrent::{Concurrent, on_shared_cluster, on_threads_and_tasks};
use support::contract::ok;
use support::servers::proxy::Proxy;
use support::servers::{Outcome, query, run};

on_threads_and_tasks! {
    reading_all_is_complete,
    removing_all_is_complete_or_an_error,
    all_nodes_are_counted_by_a_user_with_few_rights,
    a_partly_failed_call_is_reported,
}

/// Several pages.
const ENTRIES: u64 = 5500;

/// Two servers of one address, and the user of the clients.
struct Pair {
    servers: [LocalServer; 2],
    address: Proxy,
    user: &'static str,
}

impl Pair {
    fn start(rights: &str) -> Outcome<Self> {
        let servers = [LocalServer::start()?, LocalServer::start()?];
        for server in &servers {
            let user = format!("ACL SETUSER limited on >word ~* &* {rights}");
            query::<()>(server.url(), &user)?;
        }
        let address = Proxy::to(servers[0].port())?;
        Ok(Self { servers, address, user: "limited:word@" })
    }

    /// Makes both servers have the same data, and the first the one of the address.
    fn fill(&self) -> Outcome {
        let numbers: Vec<u64> = (0..ENTRIES).collect();
        for server in &self.servers {
            query::<()>(server.url(), "FLUSHALL")?;
            let client = Client::open(server.url())?;
            RedisDict::<u64, u64>::new(&client, "dict").extend(numbers.iter().zip(&numbers))?;
            RedisHashDict::<u64, u64>::new(&client, "hash").extend(numbers.iter().zip(&numbers))?;
            RedisSet::<u64>::new(&client, "set").extend(&numbers)?;
            let cache = RedisDict::<u64, u64>::with_prefix(&client, "cache:");
            cache.extend(numbers.iter().zip(&numbers))?;
            query::<()>(server.url(), "SET another value")?;
        }
        self.address.lead_to(self.servers[0].port());
        Ok(())
    }

    fn client<C: Concurrent>(&self) -> C {
        let url = self.address.url().replace("redis://", &format!("redis://{}", self.user));
        C::connect(C::builder(&url))
    }

    /// The address leads to the second server after so many more round trips.
    fn replace_after(&self, round_trips: usize) {
        self.address.lead_to_after(round_trips, self.servers[1].port());
    }

    /// How many keys match on the second server.
    fn left(&self, pattern: &str) -> Outcome<usize> {
        Ok(query::<Vec<String>>(self.servers[1].url(), &format!("KEYS {pattern}"))?.len())
    }
}

/// A user without the right to ask which process answers is served as well as others.
const RIGHTS: [&str; 2] = ["+@all", "+@all -info"];

fn reading_all_is_complete<C: Concurrent>() -> Outcome {
    for rights in RIGHTS {
        let pair = Pair::start(rights)?;
        pair.fill()?;
        let all: HashSet<u64> = (0..ENTRIES).collect();
        for what in ["len", "to_map", "keys", "values", "hash", "hash keys", "set", "contains"] {
            let client = pair.client::<C>();
            let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "dict");
            let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, "hash");
            let set: RedisSet<u64, C> = RedisSet::new(&client, "set");
            pair.address.lead_to(pair.servers[0].port());
            pair.replace_after(4);
            let found: HashSet<u64> = C::finish(async {
                match what {
                    "len" => (0..ok!(dict.len()) as u64).collect(),
                    "to_map" => ok!(dict.to_map()).into_keys().collect(),
                    "keys" => collected(C::collect(dict.keys()).await),
                    "values" => collected(C::collect(dict.values()).await),
                    "hash" => ok!(hash.to_map()).into_keys().collect(),
                    "hash keys" => collected(C::collect(hash.keys()).await),
                    "set" => ok!(set.to_set()),
                    _ => (0..ENTRIES * u64::from(!ok!(set.contains_equal(&ENTRIES)))).collect(),
                }
            });
            assert!(pair.address.has_moved(), "{what} was over before");
            assert_eq!(found.len(), all.len(), "{rights}: {what}");
            assert_eq!(found, all, "{rights}: {what}");
        }
    }
    Ok(())
}

fn a_partly_failed_call_is_reported<C: Concurrent>() -> Outcome {
    let pair = Pair::start("+@all")?;
    let unused = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let server = pair.servers[0].url();
    let numbers: Vec<u64> = (0..ENTRIES).collect();
    let mut half_done = 0;
    for what in ["clear", "extend", "cache clear", "delete_many", "requeue"] {
        for round_trips in 0..6 {
            pair.fill()?;
            let dead = cmd("RPUSH").arg("queue~rc:dead").arg(&numbers).to_owned();
            run::<()>(server, &dead)?;
            let client = pair.client::<C>();
            let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "dict");
            let other: RedisDict<u64, u64, C> = RedisDict::new(&client, "other");
            let cache: CacheClient<u64, u64, C> = CacheClient::with_prefix(
                &client,
                "cache:",
                CachePolicy::without_expiry(),
                |_, ()| C::loading(Ok(Loaded::absent())),
            )?;
            let queue: WorkQueue<u64, C> = WorkQueue::new(&client, "queue");
            pair.address.lead_to_after(round_trips, unused);
            let outcome: Result<(), Error> = C::finish(async {
                match what {
                    "clear" => C::settle(dict.clear()).await.map(drop),
                    "extend" => C::settle(other.extend(numbers.iter().zip(&numbers))).await,
                    "cache clear" => C::settle(cache.clear()).await.map(drop),
                    "delete_many" => C::settle(cache.delete_many(&numbers)).await.map(drop),
                    _ => C::settle(queue.dead().requeue(usize::MAX)).await.map(drop),
                }
            });
            let Err(error) = outcome else { continue };
            let (pattern, all) = match what {
                "clear" => ("KEYS dict:*", ENTRIES as usize),
                "extend" => ("KEYS other:*", 0),
                "cache clear" | "delete_many" => ("KEYS cache:*", ENTRIES as usize),
                _ => ("LRANGE queue~rc:dead 0 -1", ENTRIES as usize),
            };
            let is_untouched = query::<Vec<String>>(server, pattern)?.len() == all;
            half_done += usize::from(!is_untouched);
            let applied = error.applied();
            assert!(is_untouched || applied != Applied::No, "{what}, {round_trips}: {error}");
            assert!(!is_untouched || applied != Applied::Yes, "{what}, {round_trips}: {error}");
        }
    }
    assert!(half_done > 10, "only {half_done} were interrupted");
    Ok(())
}

fn all_nodes_are_counted_by_a_user_with_few_rights<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        for url in cluster.urls() {
            query::<()>(&url, "ACL SETUSER limited on >word ~* &* +@all -info")?;
        }
        let limited = |url: String| url.replace("redis://", "redis://limited:word@");
        let urls = cluster.urls().into_iter().map(limited).collect();
        let client = C::connect(C::seeds_builder(urls));
        let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, "counted");
        let numbers: Vec<u64> = (0..ENTRIES).collect();
        C::finish(async {
            ok!(dict.extend(numbers.iter().zip(&numbers)));
            assert_eq!(ok!(dict.len()), numbers.len());
            assert_eq!(ok!(dict.clear()), numbers.len());
        });
        Ok(())
    })
}

fn collected(found: Vec<redis_collections::Result<u64>>) -> HashSet<u64> {
    found.into_iter().collect::<Result<_, _>>().expect("elements")
}

fn removing_all_is_complete_or_an_error<C: Concurrent>() -> Outcome {
    for rights in RIGHTS {
        let pair = Pair::start(rights)?;
        let mut complete = 0;
        for what in ["clear", "replace_all", "remove_equal", "cache"] {
            for round_trips in 3..7 {
                pair.fill()?;
                let client = pair.client::<C>();
                let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "dict");
                let set: RedisSet<u64, C> = RedisSet::new(&client, "set");
                let cache: CacheClient<u64, u64, C> = CacheClient::with_prefix(
                    &client,
                    "cache:",
                    CachePolicy::without_expiry(),
                    |_, ()| C::loading(Ok(Loaded::absent())),
                )?;
                pair.replace_after(round_trips);
                let outcome: Result<(), Error> = C::finish(async {
                    match what {
                        "clear" => C::settle(dict.clear()).await.map(drop),
                        "replace_all" => C::settle(dict.replace_all([(&1, &1)])).await,
                        "remove_equal" => C::settle(set.remove_equal(&7)).await.map(drop),
                        _ => C::settle(cache.clear()).await.map(drop),
                    }
                });
                assert!(pair.address.has_moved(), "{what} was over before");
                let Ok(()) = outcome else { continue };
                complete += 1;
                let left = match what {
                    "clear" => pair.left("dict:*")?,
                    "replace_all" => pair.left("dict:*")? - 1,
                    "remove_equal" => query(pair.servers[1].url(), "SISMEMBER set 7")?,
                    _ => pair.left("cache:*")?,
                };
                assert_eq!(left, 0, "{rights}: {what} with {round_trips} round trips before");
                assert_eq!(pair.left("another")?, 1);
            }
        }
        assert!(complete >= 8, "only {complete} of 16 went on");
    }
    Ok(())
}
