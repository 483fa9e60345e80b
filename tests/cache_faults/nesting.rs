//! Loaders that read through caches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use redis_collections::{Error, Loaded, LoadedMany, LocalServer, Result};
use tokio::sync::watch;

use super::source::{Cache, Loads, get};
use super::{MINUTE, keys, minute};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::eventually;
use support::servers::Outcome;

on_threads_and_tasks![
    a_loader_may_load_other_values,
    loaders_that_call_each_other_return,
    loaders_that_wait_for_each_other_return,
    a_loader_that_sets_its_own_value_returns,
    a_bulk_loader_may_use_the_single_one,
];

/// Longer than a test waits.
fn patient() -> redis_collections::CachePolicy {
    minute().lease(MINUTE)
}

type Slot<C> = Arc<OnceLock<Cache<C>>>;

/// A cache whose loader asks `inner` for the id that `id` computes, and adds one to the answer, or
/// a hundred if the answer is that it asks for itself.
fn over<C: Loads>(
    client: &C,
    name: &str,
    inner: &Slot<C>,
    id: impl Fn(u64) -> Option<u64> + Copy + Send + Sync + 'static,
) -> Outcome<Cache<C>> {
    let inner = inner.clone();
    let cache = Cache::new(client, name, patient(), move |asked, ()| {
        let inner = inner.clone();
        C::call(async move {
            let Some(id) = id(asked) else { return Ok(Loaded::new(0)) };
            let inner = inner.get().expect("a cache");
            Ok(Loaded::new(match C::settle(inner.get(&id)).await {
                Ok(found) => found.as_deref().copied().unwrap_or_default() + 1,
                Err(Error::Load { source, .. }) if source.is_recursive() => 100,
                Err(error) => panic!("{error}"),
            }))
        })
    })?;
    Ok(cache)
}

/// The outcome of a call that would hang if it did not end soon.
fn soon<T: Send + 'static, C: Concurrent>(
    call: impl Future<Output = T> + Send + 'static,
) -> impl FnOnce() -> T {
    let is_done = Arc::new(AtomicBool::new(false));
    let done = is_done.clone();
    let running = C::start(async move {
        let result = call.await;
        done.store(true, Ordering::SeqCst);
        result
    });
    move || {
        assert!(eventually(|| is_done.load(Ordering::SeqCst)), "it hangs");
        running()
    }
}

fn asks<C: Loads>(cache: &Cache<C>, id: u64) -> impl FnOnce() -> Result<Option<u64>> {
    let cache = cache.clone();
    soon::<_, C>(async move { Ok(C::settle(cache.get(&id)).await?.as_deref().copied()) })
}

fn a_loader_may_load_other_values<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let itself: Slot<C> = Arc::default();
    let cache = over(&C::connect(C::builder(server.url())), "c", &itself, |id| id.checked_sub(1))?;
    assert!(itself.set(cache.clone()).is_ok());
    assert_eq!(asks(&cache, 20)()?, Some(20));
    let found = soon::<_, C>(async move { C::settle(cache.get_many(&[33, 32, 31, 30])).await })()?;
    assert_eq!(found.iter().flatten().map(|value| **value).collect::<Vec<_>>(), [33, 32, 31, 30]);
    assert_eq!(keys(&server, "*~rc:load*")?, [""; 0]);
    Ok(())
}

fn loaders_that_call_each_other_return<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let (first, second): (Slot<C>, Slot<C>) = Default::default();
    let one = over(&client, "one", &second, Some)?;
    let two = over(&client, "two", &first, Some)?;
    assert!(first.set(one.clone()).is_ok() && second.set(two.clone()).is_ok());
    assert_eq!(asks(&one, 1)()?, Some(101));
    assert_eq!(asks(&two, 2)()?, Some(101));
    assert_eq!(keys(&server, "*~rc:load*")?, [""; 0]);
    Ok(())
}

/// Each has begun when the other one asks for its value.
fn loaders_that_wait_for_each_other_return<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let (first, second): (Slot<C>, Slot<C>) = Default::default();
    let begun = watch::Sender::new(0);
    let cache = |name: &str, inner: &Slot<C>| {
        let (inner, begun) = (inner.clone(), begun.clone());
        Cache::new(&client, name, patient(), move |id, ()| {
            let (inner, begun) = (inner.clone(), begun.clone());
            C::call(async move {
                begun.send_modify(|begun| *begun += 1);
                let mut changes = begun.subscribe();
                let both = async { changes.wait_for(|begun| *begun >= 2).await.is_ok() };
                assert!(C::meanwhile(both).await);
                let found = C::settle(inner.get().expect("a cache").get(&id)).await;
                Ok(Loaded::new(found.ok().flatten().as_deref().copied().unwrap_or_default() + 1))
            })
        })
    };
    let (one, two) = (cache("one", &second)?, cache("two", &first)?);
    assert!(first.set(one.clone()).is_ok() && second.set(two.clone()).is_ok());
    let calls = [asks(&one, 1), asks(&two, 1)];
    for call in calls {
        assert!(call()?.is_some());
    }
    Ok(())
}

fn a_loader_that_sets_its_own_value_returns<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let itself: Slot<C> = Arc::default();
    let slot = itself.clone();
    let client = C::connect(C::builder(server.url()));
    let cache: Cache<C> = Cache::new(&client, "c", patient(), move |id, ()| {
        let slot = slot.clone();
        C::call(async move {
            let set = C::settle(slot.get().expect("a cache").set(&id)).await;
            Ok(Loaded::new(u64::from(set.is_err())))
        })
    })?;
    assert!(itself.set(cache.clone()).is_ok());
    assert_eq!(asks(&cache, 1)()?, Some(1));
    Ok(())
}

fn a_bulk_loader_may_use_the_single_one<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let itself: Slot<C> = Arc::default();
    let slot = itself.clone();
    let single = move |id: u64, ()| C::call(async move { Ok(Loaded::new(id)) });
    let cache = Cache::new(&client, "c", patient(), single)?.with_bulk_loader({
        move |ids: Vec<u64>, ()| {
            let slot = slot.clone();
            C::call(async move {
                let mut values = Vec::new();
                for id in ids {
                    let value = C::settle(slot.get().expect("a cache").get(&id)).await;
                    values.push(value.expect("a value").as_deref().copied());
                }
                Ok(LoadedMany::from(values))
            })
        }
    });
    assert!(itself.set(cache.clone()).is_ok());
    let many = cache.clone();
    let found = soon::<_, C>(async move { C::settle(many.get_many(&[1, 2, 3])).await })()?;
    assert_eq!(found.iter().flatten().map(|value| **value).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(get(&cache, 3)?, Some(3));
    Ok(())
}
