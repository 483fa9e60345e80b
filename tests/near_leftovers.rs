//! Leftovers of near caches and subscriptions. Alone in its program, so that it can count
//! threads.
#![cfg(target_os = "linux")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis_collections::{LocalServer, RedisDict};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::leftovers::{tasks, threads};
use support::servers::{Outcome, query};
use support::staleness::{WatchSource, opened};
use support::{eventually, send_signal};

on_threads_and_tasks![
    nothing_is_left_of_a_cache,
    nothing_is_left_of_a_cache_that_is_cut_off,
    nothing_is_left_of_a_cache_whose_server_hangs,
    nothing_is_left_of_a_subscription,
    nothing_is_left_of_a_subscription_whose_server_hangs,
];

/// The resources of caches and subscriptions: threads, tasks, and connections that listen.
#[derive(Debug, PartialEq)]
struct Left {
    threads: usize,
    tasks: usize,
    listeners: usize,
}

const NOTHING: Left = Left { threads: 0, tasks: 0, listeners: 0 };

/// The state of a server after the last listener has gone.
#[derive(Clone, Copy)]
enum Server {
    Answers,
    /// It goes on later, and its connections are gone.
    Hangs,
    IsAway,
}

fn nothing_is_left_of_a_cache<C: Concurrent>() -> Outcome {
    caches::<C>(Server::Answers)
}

fn nothing_is_left_of_a_cache_that_is_cut_off<C: Concurrent>() -> Outcome {
    caches::<C>(Server::IsAway)
}

fn nothing_is_left_of_a_cache_whose_server_hangs<C: Concurrent>() -> Outcome {
    caches::<C>(Server::Hangs)
}

fn nothing_is_left_of_a_subscription<C: Concurrent>() -> Outcome {
    subscriptions::<C>(Server::Answers)
}

fn nothing_is_left_of_a_subscription_whose_server_hangs<C: Concurrent>() -> Outcome {
    subscriptions::<C>(Server::Hangs)
}

fn caches<C: Concurrent>(server: Server) -> Outcome {
    listening::<C, _>(server, |dict| {
        WatchSource::ALL.map(|source| {
            let cached = opened::<C, _>(|| dict.cached(source.near_cache()));
            (cached.clone(), cached)
        })
    })
}

fn subscriptions<C: Concurrent>(server: Server) -> Outcome {
    listening::<C, _>(server, |dict| [(); 3].map(|()| opened::<C, _>(|| dict.subscribe("*"))))
}

/// Whether nothing is left of three that listen when they are dropped.
fn listening<C: Concurrent, T>(
    state: Server,
    listen: impl Fn(&RedisDict<u64, u64, C>) -> [T; 3],
) -> Outcome {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()).response_timeout(Duration::from_secs(1)));
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "d");
    C::finish(async { settle!(dict.insert(&1, &1)) })?;
    let idle = tasks();
    let left =
        |listeners| Left { threads: threads(), tasks: tasks().saturating_sub(idle), listeners };
    let listeners = |server: &LocalServer| -> Outcome<usize> {
        Ok(query::<String>(server.url(), "CLIENT LIST TYPE pubsub")?.lines().count())
    };
    let all = listen(&dict);
    let found = || Ok::<_, Box<dyn std::error::Error>>(left(listeners(&server)?));
    // A thread names itself once it runs.
    let are_there = |found: &Left| found.listeners == 3 && (found.threads == 6 || found.tasks >= 3);
    assert!(eventually(|| found().is_ok_and(|found| are_there(&found))), "{:?}", found());
    match state {
        Server::Answers => {}
        Server::Hangs => drop(send_signal("STOP", server.process_id())?),
        Server::IsAway => server.stop()?,
    }
    drop(all);
    // A connection of the client itself may have ended, with its task.
    let has_ended = || threads() == 0 && tasks() <= idle;
    assert!(eventually(has_ended), "{:?}", left(0));
    match state {
        Server::Answers => {}
        Server::Hangs => drop(send_signal("CONT", server.process_id())?),
        Server::IsAway => return Ok(()),
    }
    let count = || listeners(&server).ok();
    assert!(eventually(|| count() == Some(0)), "{:?}", count());
    assert_eq!(left(0), NOTHING);
    Ok(())
}
