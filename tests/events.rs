//! Events of collections.

mod support;

use std::time::Duration;

use redis_collections::{
    AsyncClient, Client, Event, LocalServer, NoticeFormat, RedisDict, RedisHashDict, RedisList,
    RedisSet, Result, Subscription,
};
use support::kinds::{Kind, contract, ok};

contract! {
    writers_tell_of_their_changes,
    the_server_tells_of_other_writers,
    fields_members_and_items_have_events,
    a_pattern_selects_keys,
    what_expires_is_told,
    formats_of_python_are_understood,
}

/// How to wait for an event on a kind of client.
trait Listens: Kind {
    async fn event<K: Send + 'static>(
        events: &mut Subscription<K, Self>,
    ) -> Option<Result<Event<K>>>;
}

impl Listens for Client {
    async fn event<K: Send + 'static>(events: &mut Subscription<K>) -> Option<Result<Event<K>>> {
        events.next_within(PATIENCE)
    }
}

impl Listens for AsyncClient {
    async fn event<K: Send + 'static>(
        events: &mut Subscription<K, Self>,
    ) -> Option<Result<Event<K>>> {
        tokio::time::timeout(PATIENCE, events.next()).await.ok()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

macro_rules! events {
    ($events:expr, $expected:expr) => {
        for expected in $expected {
            let event = Listens::event(&mut $events).await.expect("an event").expect("a key");
            assert_eq!(event, expected);
        }
    };
}
