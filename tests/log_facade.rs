//! A program with a logger of the facade `log`, and without a subscriber of `tracing`.

use std::sync::{Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use redis_collections::{Client, LocalServer, RedisDict};

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("redis_collections::") {
            let line = format!("{} {}: {}", record.level(), record.target(), record.args());
            RECORDS.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}

#[test]
fn events_are_records_with_their_fields_at_the_end() {
    log::set_logger(&Logger).expect("the only logger");
    log::set_max_level(LevelFilter::Info);
    let mut server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d");
    server.stop().unwrap();
    for _ in 0..9 {
        assert!(dict.get("k").is_err());
    }
    server.restart().unwrap();
    while dict.get("k").is_err() {}
    let target = "redis_collections::connection";
    let address = format!("127.0.0.1:{}", server.port());
    let records = RECORDS.lock().unwrap_or_else(PoisonError::into_inner);
    let [lost, restored] = &records[..] else { panic!("{records:#?}") };
    let message = "lost the connection to a server";
    let expected = format!("WARN {target}: {message} server={address} error=");
    assert!(lost.starts_with(&expected), "{lost}");
    let message = "restored the connection to a server";
    let expected = format!("INFO {target}: {message} server={address} outage_ms=");
    assert!(restored.starts_with(&expected), "{restored}");
}
