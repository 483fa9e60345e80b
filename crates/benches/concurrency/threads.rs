//! Callers that are threads.

use std::thread;

use redis::{Cmd, FromRedisValue, cmd};
use redis_collections::{Client, ClientBuilder, RedisHashDict};

use crate::HASH;
use crate::contestant::{Caller, Callers, Contestant, Kind, Operation, fields};
use crate::tasks::without_delay;

trait Peer: Clone + Send + 'static {
    fn get(&self, field: u64) -> Option<u64>;
    fn insert(&self, field: u64, value: u64);
}

pub(crate) fn contestants(url: &str) -> Vec<Contestant<'static>> {
    let pool = r2d2::Pool::builder().max_size(POOL_SIZE).test_on_check_out(false);
    let pool = pool.build(without_delay(url)).unwrap();
    let dict =
        |builder: ClientBuilder| RedisHashDict::<u64, u64>::new(&builder.build().unwrap(), HASH);
    let shared = |connections| dict(Client::builder(url).shared_connections(connections));
    vec![
        contestant("r2d2 (10)", Kind::Other, pool),
        contestant("Client, default", Kind::Ours, dict(Client::builder(url))),
        contestant("Client, shared (1)", Kind::OursOtherwise, shared(1)),
        contestant("Client, shared (3)", Kind::OursOtherwise, shared(3)),
        contestant("Client, shared (4)", Kind::OursOtherwise, shared(4)),
        contestant(
            "Client, pooled (10)",
            Kind::OursOtherwise,
            dict(Client::builder(url).pooled(POOL_SIZE)),
        ),
    ]
}

fn contestant<P: Peer>(name: &'static str, kind: Kind, peer: P) -> Contestant<'static> {
    Contestant::new(name, kind, move |operation, callers, traffic| {
        let start = |number| {
            let (peer, caller) = (peer.clone(), Caller::of(traffic));
            thread::spawn(move || call(&peer, operation, number, caller))
        };
        let threads: Vec<_> = (0..callers).map(start).collect();
        let join: Callers =
            Box::new(|| threads.into_iter().for_each(|thread| thread.join().unwrap()));
        join
    })
}

fn call(peer: &impl Peer, operation: Operation, number: usize, mut caller: Caller) {
    for field in fields(number) {
        if !caller.begin() {
            return;
        }
        match operation {
            Operation::Get => assert_eq!(peer.get(field), Some(field)),
            Operation::Insert => peer.insert(field, field),
        }
        caller.end();
    }
}

impl Peer for r2d2::Pool<redis::Client> {
    fn get(&self, field: u64) -> Option<u64> {
        query(self, cmd("HGET").arg(HASH).arg(field))
    }

    fn insert(&self, field: u64, value: u64) {
        query(self, cmd("HSET").arg(HASH).arg(field).arg(value))
    }
}

fn query<T: FromRedisValue>(pool: &r2d2::Pool<redis::Client>, command: &Cmd) -> T {
    command.query(&mut *pool.get().unwrap()).unwrap()
}

impl Peer for RedisHashDict<u64, u64> {
    fn get(&self, field: u64) -> Option<u64> {
        self.get(&field).unwrap()
    }

    fn insert(&self, field: u64, value: u64) {
        self.insert(&field, &value).unwrap()
    }
}

const POOL_SIZE: u32 = 10;
