//! Foreign writes to the keys in which caches keep the state of loads.

use std::time::Duration;

use redis::cmd;
use redis_collections::LocalServer;

use super::source::{Loads, Source, call, get, peek, start};
use super::{all_expire, aside, keys, minute};
use support::concurrent::on_threads_and_tasks;
use support::servers::{Outcome, query, run};

on_threads_and_tasks![
    entries_that_no_cache_has_written_are_overwritten,
    entries_of_other_values_do_no_harm,
    a_key_of_another_type_is_an_error,
];

const LEASE: Duration = Duration::from_millis(50);

const ENTRIES: [&str; 15] = [
    "",
    ":",
    "no colon",
    "12",
    "1:gone",
    "-1:x",
    "ten:x",
    "1e999:x",
    "99999999999999:x",
    "99999999999999999999999999999999999999:x",
    "99999999999999:-",
    "99999999999999:-:",
    "99999999999999:-:1:error:of long ago",
    "99999999999999:-:99999999999999:error:of the future",
    "99999999999999:-:x:absent",
];

fn entries_that_no_cache_has_written_are_overwritten<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let aside = key_aside(&server, &client)?;
    for entry in ENTRIES {
        let source = Source::of(7);
        let policy = minute().lease(LEASE).remember_absence(super::MINUTE);
        let cache = source.cache(&client, policy);
        let plant = || -> Outcome {
            let () = run(server.url(), cmd("HSET").arg(&aside).arg("").arg(entry))?;
            Ok(())
        };
        plant()?;
        assert_eq!((get(&cache, 1)?, peek(&cache, 1)?), (Some(7), Some(7)), "{entry}");
        assert_eq!(cache.stats().waited, 0, "{entry}");
        plant()?;
        assert_eq!(call!(cache.set(&1))?.as_deref(), Some(&7), "{entry}");
        plant()?;
        assert!(call!(cache.delete(&1))?, "{entry}");
        assert_eq!(keys(&server, "*")?, [""; 0], "{entry}");
    }
    Ok(())
}

/// Of many entries some are looked at, to drop those that have ended.
fn entries_of_other_values_do_no_harm<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let aside = key_aside(&server, &client)?;
    let mut plant = cmd("HSET");
    plant.arg(&aside);
    for (number, entry) in ENTRIES.iter().cycle().take(200).enumerate() {
        plant.arg(number).arg(entry);
    }
    let () = run(server.url(), &plant)?;
    let cache = Source::of(7).cache(&client, minute());
    for _ in 0..50 {
        assert_eq!(get(&cache, 1)?, Some(7));
        assert!(call!(cache.delete(&1))?);
    }
    let left: usize = query(server.url(), &format!("HLEN {aside}"))?;
    assert!(left < 200, "none is dropped");
    all_expire(&server)
}

fn a_key_of_another_type_is_an_error<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::of(7));
    let client = C::connect(C::builder(server.url()));
    let aside = key_aside(&server, &client)?;
    query::<()>(server.url(), &format!("SET {aside} x"))?;
    let cache = source.cache(&client, minute());
    for result in [get(&cache, 1).map(drop), call!(cache.set(&1)).map(drop)] {
        assert_eq!(result.expect_err("a value").code(), Some("WRONGTYPE"));
    }
    assert_eq!(source.loads(), 0);
    Ok(())
}

/// The state key of loads of id 1, which is gone.
fn key_aside<C: Loads>(server: &LocalServer, client: &C) -> Outcome<String> {
    let source = Source::shut(7);
    let loading = start(&source.cache(client, minute()), 1);
    source.awaits_loads(1);
    let aside = aside(server);
    source.open();
    loading()?;
    query::<()>(server.url(), "FLUSHALL")?;
    aside
}
