//! Callers that are threads.

use std::sync::Arc;
use std::thread;

use redis::{Cmd, FromRedisValue, cmd};
use redis_collections::{Client, RedisHashDict};

use crate::HASH;
use crate::contestant::{Callers, Contestant, OURS, Operation, Traffic, fields};
use crate::tasks::without_delay;

trait Peer: Clone + Send + 'static {
    fn get(&self, field: u64) -> Option<u64>;
    fn insert(&self, field: u64, value: u64);
}

pub(crate) fn contestants(url: &str) -> Vec<Contestant<'static>> {
    let pool = r2d2::Pool::builder().max_size(POOL_SIZE).test_on_check_out(false);
    let pool = pool.build(without_delay(url)).unwrap();
    let client = Client::builder(url).pool_size(POOL_SIZE).build().unwrap();
    let dict = RedisHashDict::<u64, u64>::new(&client, HASH);
    vec![contestant("r2d2", pool), contestant(OURS, dict)]
}

fn contestant<P: Peer + Sync>(name: &'static str, peer: P) -> Contestant<'static> {
    Contestant::new(name, POOL_SIZE as usize, move |operation, callers, traffic| {
        let start = |caller| {
            let (peer, traffic) = (peer.clone(), Arc::clone(traffic));
            thread::spawn(move || call(&peer, operation, caller, &traffic))
        };
        let threads: Vec<_> = (0..callers).map(start).collect();
        let join: Callers =
            Box::new(|| threads.into_iter().for_each(|thread| thread.join().unwrap()));
        join
    })
}

fn call(peer: &impl Peer, operation: Operation, caller: usize, traffic: &Traffic) {
    for field in fields(caller).take_while(|_| traffic.lasts()) {
        match operation {
            Operation::Get => assert_eq!(peer.get(field), Some(field)),
            Operation::Insert => peer.insert(field, field),
        }
        traffic.count();
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
