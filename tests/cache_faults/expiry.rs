//! Keys that expire, at every moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redis::cmd;
use redis_collections::{CacheClient, Loaded, LocalServer};

use super::source::{Loads, call};
use super::{MINUTE, minute};
use support::concurrent::on_threads_and_tasks;
use support::kinds::SourceDown;
use support::servers::{Outcome, run};

on_threads_and_tasks![no_key_is_ever_without_its_expiry];

const ROUNDS: u64 = 200;

/// Gives a key that would stay, if there is one.
const LASTING: &str = "for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('PTTL', key) == -1 then return key end
end
return ''";

/// Another client looks all the time.
fn no_key_is_ever_without_its_expiry<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let load = |id: u64, ()| {
        C::work(async move {
            match id % 4 {
                0 => Err(SourceDown),
                1 => Ok(Loaded::absent()),
                _ => Ok(Loaded::new(id)),
            }
        })
    };
    let policy = minute().remember_absence(MINUTE).stale_if_error(MINUTE).refresh_ahead(MINUTE);
    let client = C::connect(C::builder(server.url()));
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, "c", policy, load)?;
    let is_over = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = 0;
            while !is_over.load(Ordering::SeqCst) {
                let lasting: String =
                    run(server.url(), cmd("EVAL").arg(LASTING).arg(0)).expect("an answer");
                assert_eq!(lasting, "", "it has no end");
                looks += 1;
            }
            looks
        });
        for id in 0..ROUNDS {
            let _ = call!(cache.get(&id));
            let _ = call!(cache.get(&id));
            let _ = call!(cache.get_many(&[id, id + 1, id + 2]));
            let _ = call!(cache.set(&id));
            call!(cache.set_value(&id, &id)).expect("an answer");
            call!(cache.refresh(&id)).expect("an answer");
            call!(cache.delete(&(id / 2))).expect("an answer");
            if looking.is_finished() {
                break;
            }
        }
        is_over.store(true, Ordering::SeqCst);
        looking.join().expect("every key has an end")
    });
    assert!(looks > 0);
    super::all_expire(&server)
}
