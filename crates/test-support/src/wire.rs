//! The clients of a keyword service, by plain commands.

use super::servers::PATIENCE;
use redis::{Connection, FromRedisValue};

const PREFIX: &str = "Cauldron.redis.common";

/// A program that knows the keys of a service.
pub struct Wire {
    url: String,
    service: String,
    connection: Connection,
    requests: usize,
}

/// Channels that are listened to.
pub struct Subscribed(Connection);

impl Wire {
    pub fn to(url: &str, service: &str) -> Self {
        let (url, service) = (url.to_owned(), service.to_owned());
        let connection = connect(&url);
        Self { url, service, connection, requests: 0 }
    }

    /// A key or channel of the service.
    pub fn name(&self, rest: &str) -> String {
        format!("{PREFIX}.{}{rest}", self.service)
    }

    pub fn run<T: FromRedisValue>(&mut self, arguments: &[&[u8]]) -> T {
        let mut command = redis::Cmd::new();
        arguments.iter().for_each(|argument| {
            command.arg(*argument);
        });
        command.query(&mut self.connection).expect("a reply")
    }

    pub fn get(&mut self, rest: &str) -> Option<String> {
        let key = self.name(rest);
        self.run(&[b"GET", key.as_bytes()])
    }

    pub fn set(&mut self, rest: &str, value: &str) {
        let key = self.name(rest);
        self.run(&[b"SET", key.as_bytes(), value.as_bytes()])
    }

    pub fn value(&mut self, keyword: &str) -> Option<String> {
        self.get(&format!(".{keyword}"))
    }

    /// The value, if it is a number.
    pub fn number(&mut self, keyword: &str) -> Option<i64> {
        self.value(keyword)?.parse().ok()
    }

    pub fn status(&mut self, keyword: &str) -> Option<String> {
        self.get(&format!(".{keyword}:status"))
    }

    /// For how many milliseconds the status stays; -1 is for ever.
    pub fn remaining_status(&mut self, keyword: &str) -> i64 {
        let key = self.name(&format!(".{keyword}:status"));
        self.run(&[b"PTTL", key.as_bytes()])
    }

    pub fn error(&mut self, keyword: &str) -> Option<String> {
        self.get(&format!(".{keyword}:error"))
    }

    pub fn lease(&mut self) -> Option<String> {
        self.get("~rc:lease")
    }

    /// When the keyword was set last.
    pub fn time(&mut self, keyword: &str) -> Option<u64> {
        let times = self.name("~rc:times");
        self.run(&[b"HGET", times.as_bytes(), keyword.as_bytes()])
    }

    pub fn is_registered(&mut self) -> bool {
        let (registry, service) = (format!("{PREFIX}.SERVICES_REGISTRY"), self.service.clone());
        self.run(&[b"SISMEMBER", registry.as_bytes(), service.as_bytes()])
    }

    pub fn register(&mut self) {
        let (registry, service) = (format!("{PREFIX}.SERVICES_REGISTRY"), self.service.clone());
        self.run(&[b"SADD", registry.as_bytes(), service.as_bytes()])
    }

    /// Writes as a client of Cauldron. Returns the number of receivers.
    pub fn modify(&mut self, keyword: &str, value: &[u8]) -> usize {
        let channel = self.name(&format!(".{keyword}"));
        self.run(&[b"PUBLISH", channel.as_bytes(), value])
    }

    /// How many clients listen to requests to the holder of the lease.
    pub fn listeners(&mut self) -> usize {
        let channel = self.requests_channel();
        let (_, listeners): (String, usize) = self.run(&[b"PUBSUB", b"NUMSUB", channel.as_bytes()]);
        listeners
    }

    /// The channel of requests to the holder of the lease.
    pub fn requests_channel(&mut self) -> String {
        let holder = self.lease().unwrap_or_default();
        self.name(&format!("~rc:request:{holder}"))
    }

    /// Writes as a client that does not wait. Returns the id of the request.
    pub fn ask(&mut self, keyword: &str, value: &[u8]) -> String {
        self.requests += 1;
        let id = format!("{}-{:p}", self.requests, self);
        let channel = self.requests_channel();
        let head = format!("{id}\n60000\n{keyword}\n");
        let receivers: usize =
            self.run(&[b"PUBLISH", channel.as_bytes(), &[head.as_bytes(), value].concat()]);
        assert_eq!(receivers, 1, "a dispatcher");
        id
    }

    /// Returns the outcome of a request.
    pub fn outcome(&mut self, id: &str) -> String {
        let (list, patience) = (self.name(&format!("~rc:outcome:{id}")), PATIENCE.as_secs());
        let patience = patience.to_string();
        let outcome: Option<(String, String)> =
            self.run(&[b"BLPOP", list.as_bytes(), patience.as_bytes()]);
        outcome.expect("an outcome").1
    }

    /// Writes, and returns the outcome: the value, or `-` and the reason of a refusal.
    pub fn write(&mut self, keyword: &str, value: impl AsRef<[u8]>) -> String {
        let id = self.ask(keyword, value.as_ref());
        let outcome = self.outcome(&id);
        match outcome.strip_prefix('+').and_then(|update| update.split_once(' ')) {
            Some((_, text)) => text.to_owned(),
            None => outcome,
        }
    }

    pub fn listen(&self, channels: &[&str]) -> Subscribed {
        let mut connection = connect(&self.url);
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        for channel in channels {
            redis::cmd("SUBSCRIBE").arg(self.name(channel)).exec(&mut connection).expect("a reply");
        }
        Subscribed(connection)
    }
}

impl Subscribed {
    /// The next channel and message.
    pub fn next_message(&mut self) -> (String, String) {
        loop {
            let reply = self.0.recv_response().expect("a message");
            let message: Vec<String> = redis::from_redis_value(reply).expect("a message");
            if let [kind, channel, message] = &message[..]
                && kind == "message"
            {
                return (channel.clone(), message.clone());
            }
        }
    }
}

fn connect(url: &str) -> Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}
