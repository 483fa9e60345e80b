//! Connections that are cut during a load, and refusals that come to the same.

use redis_collections::LocalServer;

use super::source::{Loads, Source, call, get, peek, start};
use super::{keys, minute};
use support::concurrent::on_threads_and_tasks;
use support::eventually;
use support::servers::proxy::{Direction, Proxy};
use support::servers::{Outcome, query};

on_threads_and_tasks![
    a_call_after_a_change_joins_no_load_without_a_lease,
    callers_of_a_load_whose_store_is_unconfirmed_look_again,
    a_reply_that_is_lost_is_asked_for_again,
];

fn a_call_after_a_change_joins_no_load_without_a_lease<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let [one, other] =
        [(); 2].map(|()| source.cache(&C::connect(C::builder(server.url())), minute()));
    // Values can be read and deleted, but nothing can be claimed.
    query::<()>(server.url(), "CONFIG SET maxmemory 1")?;
    let before = start(&one, 1);
    source.awaits_loads(1);
    source.set(8);
    call!(other.delete(&1))?;
    let after: Vec<_> = (0..3).map(|_| start(&one, 1)).collect();
    assert!(eventually(|| one.stats().joined == 2), "they share the next one: {:?}", one.stats());
    source.open();
    assert_eq!(before()?, Some(7));
    for caller in after {
        assert_eq!(caller()?, Some(8));
    }
    assert_eq!(source.loads(), 2);
    Ok(())
}

fn callers_of_a_load_whose_store_is_unconfirmed_look_again<C: Loads>() -> Outcome {
    let (mut server, source) = (LocalServer::start()?, Source::shut(7));
    let [one, other] =
        [(); 2].map(|()| source.cache(&C::connect(C::builder(server.url())), minute()));
    let before = start(&one, 1);
    source.awaits_loads(1);
    source.set(8);
    call!(other.delete(&1))?;
    let after = start(&one, 1);
    assert!(eventually(|| one.stats().joined == 1), "{:?}", one.stats());
    server.stop()?;
    source.open();
    assert_eq!((before()?, after()?), (Some(7), Some(8)));
    Ok(())
}

/// Or else others would wait for an unused lease.
fn a_reply_that_is_lost_is_asked_for_again<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::of(7));
    let proxy = Proxy::to(server.port())?;
    let cache = source.cache(&C::connect(C::builder(&proxy.url())), minute());
    // The server knows the scripts from now on.
    assert_eq!(get(&cache, 9)?, Some(7));

    // The reply to a look is five bytes long. The next is of the claim.
    proxy.cut_after(6, Direction::Replies);
    assert_eq!((get(&cache, 1)?, peek(&cache, 1)?), (Some(7), Some(7)), "claim");

    proxy.cut_after(0, Direction::Replies);
    assert_eq!((call!(cache.set(&2))?.as_deref(), peek(&cache, 2)?), (Some(&7), Some(7)), "claim");

    let slow = Source::shut(7);
    let cache = slow.cache(&C::connect(C::builder(&proxy.url())), minute());
    let loading = start(&cache, 3);
    slow.awaits_loads(1);
    proxy.cut_after(0, Direction::Replies);
    slow.open();
    assert_eq!((loading()?, peek(&cache, 3)?), (Some(7), Some(7)), "store");

    assert_eq!((source.loads(), slow.loads()), (3, 1));
    assert_eq!(cache.stats().without_redis, 0);
    assert_eq!(keys(&server, "*~rc:load*")?, [""; 0]);
    Ok(())
}
