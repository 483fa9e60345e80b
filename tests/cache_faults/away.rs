//! Redis cannot be used for a while.

use std::time::{Duration, Instant};

use redis_collections::{Error, LocalServer, Result};

use super::source::{Cache, Loads, Source, call, get, peek, start};
use super::{all_expire, keys, minute};
use support::concurrent::on_threads_and_tasks;
use support::eventually;
use support::servers::proxy::{Direction, Proxy};
use support::servers::{Outcome, free_port, query};

on_threads_and_tasks![
    values_are_loaded_without_a_server,
    values_are_loaded_while_a_server_hangs,
    values_are_loaded_beside_a_replica,
    values_are_loaded_beside_a_replica_that_lost_its_master,
    values_are_loaded_while_memory_is_full,
    a_server_may_die_during_a_load,
    memory_may_be_full_after_a_load,
    nothing_is_stored_beyond_the_memory,
    a_failover_is_waited_for_before_a_load,
];

/// How long a server that hangs is waited for.
const IMPATIENT: Duration = Duration::from_millis(700);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Down,
    Hanging,
    Replica,
    WithoutMaster,
    FullMemory,
}

fn values_are_loaded_without_a_server<C: Loads>() -> Outcome {
    loads_without::<C>(Fault::Down)
}

fn values_are_loaded_while_a_server_hangs<C: Loads>() -> Outcome {
    loads_without::<C>(Fault::Hanging)
}

fn values_are_loaded_beside_a_replica<C: Loads>() -> Outcome {
    loads_without::<C>(Fault::Replica)
}

fn values_are_loaded_beside_a_replica_that_lost_its_master<C: Loads>() -> Outcome {
    loads_without::<C>(Fault::WithoutMaster)
}

fn values_are_loaded_while_memory_is_full<C: Loads>() -> Outcome {
    loads_without::<C>(Fault::FullMemory)
}

/// Each id is loaded once, unless the policy wants errors.
fn loads_without<C: Loads>(fault: Fault) -> Outcome {
    for is_connected in [false, true] {
        let mut place = Place::start()?;
        if fault == Fault::Replica {
            query::<()>(place.master.url(), "SET c~rc:cache:5 1 PX 60000")?;
        } else {
            query::<()>(place.server.url(), "SET c~rc:cache:5 1 PX 60000")?;
        }
        let client = C::builder(&place.proxy.url()).response_timeout(IMPATIENT).lazy();
        let client = C::connect(client);
        let source = Source::of(7);
        let cache = source.cache(&client, minute());
        let strict = source.cache(&client, minute().fail_without_redis());
        if is_connected {
            assert_eq!(peek(&cache, 4)?, None);
        }
        place.begin(fault)?;
        assert_eq!(get(&cache, 1)?, Some(7));
        assert_eq!(get_many(&cache, &[2, 3])?, [Some(7); 2]);
        assert_eq!(set(&cache, 4)?, Some(7));
        assert_eq!(source.loads(), 4, "each once");
        assert!(cache.stats().without_redis >= 3, "{:?}", cache.stats());
        let kept = if fault.can_read() { Some(1) } else { Some(7) };
        assert_eq!(get(&cache, 5)?, kept);
        let loads = source.loads();
        let refused = [get(&strict, 1), get_many(&strict, &[2, 3]).map(|_| None), set(&strict, 4)];
        for result in refused {
            let error = result.expect_err("a value");
            assert!(fault.is_it(&error), "{fault:?}: {error:?}");
        }
        assert_eq!((source.loads(), strict.stats().without_redis), (loads, 0));
        place.end(fault)?;
        // A connection may have to be made anew.
        assert!(eventually(|| peek(&cache, 1).is_ok()));
        for id in 1..=4 {
            assert_eq!((get(&cache, id)?, peek(&strict, id)?), (Some(7), Some(7)), "{fault:?}");
        }
        all_expire(&place.server)?;
    }
    Ok(())
}

fn a_server_may_die_during_a_load<C: Loads>() -> Outcome {
    for what in ["get", "get_many", "set"] {
        let (mut server, source) = (LocalServer::start()?, Source::shut(7));
        let client = C::connect(C::builder(server.url()));
        let cache = source.cache(&client, minute()).with_bulk_loader({
            let source = source.clone();
            move |ids: Vec<u64>, ()| {
                let load = source.clone().load();
                C::work(async move { load.await.map(|loaded| vec![loaded; ids.len()].into()) })
            }
        });
        let loading = C::start({
            let cache = cache.clone();
            async move {
                Ok::<_, Error>(match what {
                    "get" => vec![C::settle(cache.get(&1)).await?],
                    "set" => vec![C::settle(cache.set(&1)).await?],
                    _ => C::settle(cache.get_many(&[1, 2])).await?,
                })
            }
        });
        source.awaits_loads(1);
        server.stop()?;
        source.open();
        let found = loading()?;
        assert!(found.iter().all(|found| found.as_deref() == Some(&7)), "{what}");
        assert_eq!(source.loads(), 1, "{what}");
        assert_eq!(cache.stats().without_redis, 1, "{what}");
        server.restart()?;
        assert!(eventually(|| peek(&cache, 1).is_ok()));
        assert_eq!((get(&cache, 1)?, peek(&cache, 1)?), (Some(7), Some(7)), "{what}");
        assert_eq!(source.loads(), 2, "{what}");
    }
    Ok(())
}

/// No caller waits for the lease of such a load.
fn memory_may_be_full_after_a_load<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let cache = source.cache(&C::connect(C::builder(server.url())), minute());
    let loading = start(&cache, 1);
    source.awaits_loads(1);
    query::<()>(server.url(), "CONFIG SET maxmemory 1")?;
    source.open();
    assert_eq!(loading()?, Some(7));
    assert_eq!(cache.stats().without_redis, 1);
    assert_eq!(keys(&server, "*")?, [""; 0]);
    Ok(())
}

fn nothing_is_stored_beyond_the_memory<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::of(7));
    let cache = source.cache(&C::connect(C::builder(server.url())), minute());
    query::<()>(server.url(), "CONFIG SET maxmemory 1")?;
    let error = call!(cache.set_value(&1, &8)).expect_err("it is stored");
    assert_eq!(error.code(), Some("OOM"), "{error}");
    assert_eq!(keys(&server, "*")?, [""; 0]);
    Ok(())
}

fn a_failover_is_waited_for_before_a_load<C: Loads>() -> Outcome {
    let nowhere = [format!("redis://127.0.0.1:{}/", free_port()?)];
    let builder = C::sentinel_builder(&nowhere, "mymaster").failover_timeout(IMPATIENT).lazy();
    let source = Source::of(7);
    let cache = source.cache(&C::connect(builder), minute());
    let began = Instant::now();
    assert_eq!(get(&cache, 1)?, Some(7));
    assert!(began.elapsed() >= IMPATIENT, "{:?}", began.elapsed());
    assert_eq!((source.loads(), cache.stats().without_redis), (1, 1));
    Ok(())
}

/// A server, reached through a proxy, and one that may be its master.
struct Place {
    proxy: Proxy,
    server: LocalServer,
    master: LocalServer,
}

impl Place {
    fn start() -> Outcome<Self> {
        let (server, master) = (LocalServer::start()?, LocalServer::start()?);
        Ok(Self { proxy: Proxy::to(server.port())?, server, master })
    }

    fn ask(&self, command: &str) -> Outcome {
        Ok(query(self.server.url(), command)?)
    }

    fn begin(&mut self, fault: Fault) -> Outcome {
        match fault {
            Fault::Down => Ok(self.server.stop()?),
            Fault::Hanging => {
                self.proxy.hold(Direction::Replies);
                Ok(())
            }
            Fault::Replica => {
                self.ask(&format!("REPLICAOF 127.0.0.1 {}", self.master.port()))?;
                let has_all =
                    || query::<bool>(self.server.url(), "EXISTS c~rc:cache:5").unwrap_or(false);
                assert!(eventually(has_all));
                Ok(())
            }
            Fault::WithoutMaster => {
                self.ask("CONFIG SET replica-serve-stale-data no")?;
                self.ask(&format!("REPLICAOF 127.0.0.1 {}", free_port()?))
            }
            Fault::FullMemory => self.ask("CONFIG SET maxmemory 1"),
        }
    }

    fn end(&mut self, fault: Fault) -> Outcome {
        match fault {
            Fault::Down => Ok(self.server.restart()?),
            Fault::Hanging => {
                self.proxy.release();
                Ok(())
            }
            Fault::Replica | Fault::WithoutMaster => self.ask("REPLICAOF NO ONE"),
            Fault::FullMemory => self.ask("CONFIG SET maxmemory 0"),
        }
    }
}

impl Fault {
    fn can_read(self) -> bool {
        matches!(self, Fault::Replica | Fault::FullMemory)
    }

    fn is_it(self, error: &Error) -> bool {
        match self {
            Fault::Down => error.is_connection_lost(),
            Fault::Hanging => error.is_timeout(),
            Fault::Replica => error.code() == Some("READONLY"),
            Fault::WithoutMaster => error.code() == Some("MASTERDOWN"),
            Fault::FullMemory => error.code() == Some("OOM"),
        }
    }
}

fn get_many<C: Loads>(cache: &Cache<C>, ids: &[u64]) -> Result<Vec<Option<u64>>> {
    let found = call!(cache.get_many(ids))?;
    Ok(found.iter().map(|found| found.as_deref().copied()).collect())
}

fn set<C: Loads>(cache: &Cache<C>, id: u64) -> Result<Option<u64>> {
    Ok(call!(cache.set(&id))?.as_deref().copied())
}
