//! The pages of an iteration: what they cost, and what happens between and within them.

use std::collections::HashMap;

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, Result};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::ok;
use support::servers::proxy::{Direction, Proxy};
use support::servers::{Outcome, query};

on_threads_and_tasks! {
    values_are_read_in_one_round_trip_with_the_keys_of_the_next_page,
    few_keys_of_a_large_database_take_few_pages,
    pages_of_large_elements_have_fewer,
    a_page_has_about_as_many_elements_as_the_user_wants,
    values_are_as_new_as_their_page,
    a_page_whose_connection_is_cut_is_fetched_again,
    an_error_of_the_server_is_the_last_item,
}

fn values_are_read_in_one_round_trip_with_the_keys_of_the_next_page<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let proxy = Proxy::to(server.port())?;
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(&proxy.url())), "d");
    // Larger requests could be answered in part before all of one is sent.
    let numbers: Vec<u64> = (0..300).collect();
    C::finish(async { ok!(dict.extend(numbers.iter().zip(&numbers))) });
    // The server may move its keys to a larger table meanwhile, so that the next iteration takes
    // another number of pages.
    let counted = |iterate: &dyn Fn() -> usize| -> Outcome<(usize, usize)> {
        let before = calls(&server, "scan")?;
        proxy.reset();
        assert_eq!(iterate(), numbers.len());
        Ok((proxy.round_trips(), calls(&server, "scan")? - before))
    };
    // The last page may have no keys, whose values need not be read.
    let is_one_more = |trips: usize, pages: usize| (pages..=pages + 1).contains(&trips);
    let (trips, pages) = counted(&|| C::finish(C::collect(dict.keys().page_size(50))).len())?;
    assert!(trips == pages && pages >= 4, "{trips} for {pages}");
    let (trips, pages) = counted(&|| C::finish(C::collect(dict.iter().page_size(50))).len())?;
    assert!(pages >= 4 && is_one_more(trips, pages), "{trips} for {pages}");
    let (trips, pages) = counted(&|| C::finish(C::collect(dict.values().page_size(50))).len())?;
    assert!(pages >= 4 && is_one_more(trips, pages), "{trips} for {pages}");
    let (trips, pages) = counted(&|| C::finish(async { ok!(dict.to_map()) }).len())?;
    assert_eq!((trips, pages), (2, 1));
    Ok(())
}

fn few_keys_of_a_large_database_take_few_pages<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    fill(&server, "other", 200_000)?;
    fill(&server, "d", 100)?;
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(server.url())), "d");
    assert_eq!(C::finish(async { ok!(dict.to_map()) }).len(), 100);
    let pages = calls(&server, "scan")?;
    assert!(pages <= 60, "{pages}");
    assert_eq!(C::finish(async { ok!(dict.len()) }), 100);
    assert!(calls(&server, "scan")? <= 2 * pages);
    Ok(())
}

fn pages_of_large_elements_have_fewer<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let dict: RedisDict<u64, String, C> = RedisDict::new(&client, "d");
    let hash: RedisHashDict<u64, String, C> = RedisHashDict::new(&client, "h");
    let large = "x".repeat(200_000);
    for number in 0..100 {
        C::finish(async {
            ok!(dict.insert(&number, &large));
            ok!(hash.insert(&number, &large));
        });
    }
    assert_eq!(C::finish(C::collect(dict.iter().page_size(30))).len(), 100);
    assert_eq!(C::finish(C::collect(hash.iter().page_size(30))).len(), 100);
    for command in ["mget", "hscan"] {
        let pages = calls(&server, command)?;
        assert!((10..100).contains(&pages), "{command}: {pages}");
    }
    Ok(())
}

fn a_page_has_about_as_many_elements_as_the_user_wants<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    fill(&server, "other", 1000)?;
    fill(&server, "d", 1000)?;
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(server.url())), "d");
    assert_eq!(C::finish(C::collect(dict.iter().page_size(50))).len(), 1000);
    let pages = calls(&server, "mget")?;
    assert!((10..=60).contains(&pages), "{pages}");
    Ok(())
}

fn values_are_as_new_as_their_page<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(server.url())), "d");
    let numbers: Vec<u64> = (0..1000).collect();
    C::finish(async { ok!(dict.extend(numbers.iter().map(|key| (key, &0)))) });
    let mut entries = dict.iter().page_size(50);
    let mut found = C::finish(C::take(&mut entries, 1));
    let (removed, changed) = numbers.split_at(numbers.len() / 2);
    C::finish(async {
        ok!(dict.extend(changed.iter().map(|key| (key, &1))));
        ok!(dict.remove_many(removed));
    });
    found.extend(C::finish(C::take(&mut entries, usize::MAX)));
    let of_first_page = found.iter().filter(|(_, value)| *value == 0).count();
    assert!((1..=100).contains(&of_first_page), "{of_first_page}");
    let found: HashMap<u64, u64> = found.into_iter().collect();
    assert!(changed.iter().all(|key| found.contains_key(key)));
    Ok(())
}

/// Wherever within the two replies of a page the connection ends.
fn a_page_whose_connection_is_cut_is_fetched_again<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let proxy = Proxy::to(server.port())?;
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(&proxy.url())), "d");
    let numbers: Vec<u64> = (0..1000).collect();
    C::finish(async { ok!(dict.extend(numbers.iter().zip(&numbers))) });
    for bytes in (0..6000).step_by(400) {
        let mut values = dict.values().page_size(100);
        let mut found = C::finish(C::take(&mut values, 250));
        proxy.cut_after(bytes, Direction::Replies);
        found.extend(C::finish(C::take(&mut values, usize::MAX)));
        found.sort_unstable();
        assert_eq!(found, numbers, "cut after {bytes} bytes");
    }
    Ok(())
}

fn an_error_of_the_server_is_the_last_item<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    query::<()>(server.url(), "ACL SETUSER scanner on nopass ~* +@all -mget")?;
    fill(&server, "d", 1000)?;
    let url = format!("redis://scanner:any@127.0.0.1:{}/", server.port());
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&C::connect(C::builder(&url)), "d");
    let found: Vec<Result<u64>> = C::finish(C::collect(dict.values().page_size(100)));
    let [Err(error)] = &found[..] else { panic!("{} items", found.len()) };
    assert_eq!(error.code(), Some("NOPERM"));
    assert!(error.to_string().contains("MGET"), "{error}");
    Ok(())
}

/// Sets so many entries of a dict.
fn fill(server: &LocalServer, name: &str, entries: u64) -> Outcome {
    let dict: RedisDict<u64, u64> = RedisDict::new(&Client::open(server.url())?, name);
    let numbers: Vec<u64> = (0..entries).collect();
    Ok(dict.extend(numbers.iter().zip(&numbers))?)
}

/// How often the server has run `command`.
fn calls(server: &LocalServer, command: &str) -> Outcome<usize> {
    let statistics: String = query(server.url(), "INFO commandstats")?;
    let of_command = statistics.split(&format!("cmdstat_{command}:calls=")).nth(1);
    let calls = of_command.and_then(|rest| rest.split(',').next());
    Ok(calls.map_or(Ok(0), str::parse)?)
}
