//! What a client leaves behind. Alone in its program, so that it can count threads.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use redis_collections::{Client, RedisList};
use support::eventually;
use support::kinds::SERVER;

#[test]
fn no_thread_outlives_its_client() {
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let list: RedisList<String> = RedisList::new(&Client::open(SERVER.url()).unwrap(), "threads");
    drop(list);
    assert!(eventually(|| threads() == 2), "the test and its runner");
    for _ in 0..3 {
        let clients: Vec<Client> = (0..5).map(|_| Client::open(SERVER.url()).unwrap()).collect();
        for client in &clients {
            let list: RedisList<String> = RedisList::new(client, "threads");
            list.wait_pop_front(Duration::ZERO).unwrap();
        }
        assert_eq!(threads(), 2 + clients.len());
        drop(clients);
        assert!(eventually(|| threads() == 2), "{} threads are left", threads());
    }
}
