//! What the file says of a call, and what a server has.

use std::time::Duration;

use redis::FromRedisValue;
use redis_collections::{CachePolicy, LocalServer};
use serde_json::Value as Case;

use support::servers::{query, run};

/// A value that the server has: its key, its field, its bytes, and whether it expires.
pub(crate) type Entry = (Vec<u8>, Option<Vec<u8>>, Vec<u8>, bool);

pub(crate) struct Replay<'a, C> {
    pub(crate) server: &'a LocalServer,
    pub(crate) client: &'a C,
    pub(crate) case: &'a Case,
}

impl<C> Replay<'_, C> {
    /// How long Python was to keep the value. Hours stand for its seconds, so that nothing expires
    /// before it is looked at.
    pub(crate) fn policy(&self) -> Option<CachePolicy> {
        const SECOND: Duration = Duration::from_secs(3600);
        let time = &self.case["args"]["expire_time"];
        match (self.case["ttl"].as_u64(), time["t"].as_str(), time["v"].as_str()) {
            (Some(seconds), ..) => Some(CachePolicy::time_to_live(SECOND * seconds as u32)),
            (None, None, _) | (None, _, Some("0")) => Some(CachePolicy::without_expiry()),
            (None, _, seconds) => {
                let time = Duration::try_from_secs_f64(seconds?.parse().ok()?).ok()?;
                Some(CachePolicy::time_to_live(time.checked_mul(3600)?))
            }
        }
    }

    pub(crate) fn operation(&self) -> &str {
        self.case["operation"].as_str().unwrap()
    }

    /// What the source is given besides the id.
    pub(crate) fn args(&self) -> Vec<i64> {
        let args = &self.case["args"];
        let more = args["extra_args"].as_array().into_iter().flatten();
        let named = args["extra_kwargs"].as_object().into_iter().flat_map(|named| named.values());
        more.chain(named).map(|arg| arg.as_i64().unwrap()).collect()
    }

    /// Brings back what was there before the call.
    pub(crate) fn restore(&self) {
        for entry in self.case["state_before"].as_array().into_iter().flatten() {
            let key = &unhex(&entry["key_hex"]).unwrap();
            let [command, parts] = match entry["type"].as_str().unwrap() {
                "string" => ["SET", "/value_hex -"],
                "list" => ["RPUSH", "/items/0 -"],
                _ => ["HSET", "/fields/0/0 /fields/0/1"],
            };
            let parts: Vec<_> = parts.split(' ').filter_map(|at| entry.pointer(at)).collect();
            let parts: Vec<_> = parts.into_iter().filter_map(unhex).collect();
            self.ask::<redis::Value>(command, [key].into_iter().chain(&parts));
            if let Some(seconds) = entry["ttl"].as_u64() {
                self.ask::<bool>("EXPIRE", [key, &seconds.to_string().into_bytes()]);
            }
        }
    }

    /// What Python left.
    pub(crate) fn left(&self) -> Vec<Entry> {
        let Some(key) = self.bytes("key_hex") else { return Vec::new() };
        let value = self.bytes("value_hex").unwrap();
        vec![(key, self.bytes("field_hex"), value, self.case["ttl"].is_number())]
    }

    /// What the server has now.
    pub(crate) fn stored(&self) -> Vec<Entry> {
        let keys: Vec<Vec<u8>> = query(self.server.url(), "KEYS *").unwrap();
        let entry = |key: Vec<u8>| {
            let expires = self.ask::<i64>("PTTL", [&key]) >= 0;
            let (field, value) = match &self.ask::<String>("TYPE", [&key])[..] {
                "string" => (None, self.ask("GET", [&key])),
                "hash" => {
                    let [field, value] = self.ask("HGETALL", [&key]);
                    (Some(field), value)
                }
                _ => (None, self.ask("LINDEX", [&key, &b"0".to_vec()])),
            };
            (key, field, value, expires)
        };
        keys.into_iter().map(entry).collect()
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        unhex(&self.case[name])
    }

    pub(crate) fn ask<'a, T: FromRedisValue>(
        &self,
        command: &str,
        words: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> T {
        let words: Vec<_> = words.into_iter().collect();
        let reply = run(self.server.url(), redis::cmd(command).arg(&words));
        reply.unwrap_or_else(|error| panic!("{error}: {}", self.case))
    }
}

fn unhex(hex: &Case) -> Option<Vec<u8>> {
    let hex = hex.as_str()?;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}
