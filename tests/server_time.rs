//! How long calls of any size occupy the server, by its own slow log, in relation to a `MSET` of a
//! thousand entries on the same server.

use redis_collections::{
    ChangeFormat, Client, LocalServer, RedisDict, RedisHashDict, RedisList, RedisSet, WorkQueue,
};
use support::servers::{query, run};

/// Several full commands of each call.
const ENTRIES: usize = 20_000;

struct Fixture {
    server: LocalServer,
    client: Client,
    keys: Vec<String>,
    value: String,
    /// The microseconds of a `MSET` of a thousand entries.
    reference: f64,
}

impl Fixture {
    fn new() -> Self {
        let options = ["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"];
        let server = LocalServer::start_with(&options).unwrap();
        let client = Client::open(server.url()).unwrap();
        let keys = (0..ENTRIES).map(|number| format!("key {number:06}")).collect();
        let mut fixture = Self { server, client, keys, value: "x".repeat(100), reference: 0.0 };
        let mut mset = redis::cmd("MSET");
        for key in fixture.keys.iter().take(1000) {
            mset.arg(format!("by hand:{key}")).arg(&fixture.value);
        }
        let times = fixture.times(|| {
            (0..20).for_each(|_| run::<()>(fixture.server.url(), &mset).unwrap());
        });
        let of_mset = times.into_iter().filter(|(command, _)| command == "MSET");
        fixture.reference = median(of_mset.map(|(_, time)| time).collect());
        fixture
    }

    fn pairs(&self) -> impl Iterator<Item = (&String, &String)> {
        self.keys.iter().map(|key| (key, &self.value))
    }

    /// The commands that the server runs during a call, with their microseconds.
    fn times(&self, call: impl FnOnce()) -> Vec<(String, f64)> {
        let () = query(self.server.url(), "SLOWLOG RESET").unwrap();
        call();
        let log: Vec<redis::Value> = query(self.server.url(), "SLOWLOG GET 100000").unwrap();
        let entry = |entry| -> (u64, u64, f64, Vec<String>) {
            let entry: Vec<redis::Value> = redis::from_redis_value(entry).unwrap();
            let [id, at, time, arguments]: [_; 4] = entry[..4].to_vec().try_into().unwrap();
            let number = |value| redis::from_redis_value::<u64>(value).unwrap();
            let arguments = redis::from_redis_value(arguments).unwrap();
            (number(id), number(at), number(time) as f64, arguments)
        };
        let entries = log.into_iter().map(entry);
        entries.map(|(_, _, time, arguments)| (arguments[0].to_uppercase(), time)).collect()
    }

    /// Runs a call, and returns how long a typical one of its commands took, in relation to the
    /// reference. A single one may have been interrupted by other programs of the machine.
    fn relative<T>(
        &self,
        commands: &[&str],
        call: impl FnOnce() -> redis_collections::Result<T>,
    ) -> f64 {
        let times = self.times(|| drop(call().unwrap()));
        let of_call = times.into_iter().filter(|(name, _)| commands.contains(&&name[..]));
        let times: Vec<_> = of_call.map(|(_, time)| time).collect();
        assert!(times.len() >= ENTRIES / 1000, "{commands:?} {}", times.len());
        median(times) / self.reference
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

macro_rules! bounded {
    ($fixture:ident, $bound:expr, $commands:expr; $($call:expr;)+) => {$(
        let relative = $fixture.relative(&$commands, || $call);
        assert!(relative <= $bound, "{relative:.1} {}", stringify!($call));
    )+};
}

#[test]
fn a_command_of_a_bulk_call_takes_little_more_than_one_of_a_thousand_entries() {
    let fixture = Fixture::new();
    let client = &fixture.client;
    let dict: RedisDict<String, String> = RedisDict::new(client, "dict");
    let hash: RedisHashDict<String, String> = RedisHashDict::new(client, "hash");
    let set: RedisSet<String> = RedisSet::new(client, "set");
    let list: RedisList<String> = RedisList::new(client, "list");
    let queue: WorkQueue<String> = WorkQueue::new(client, "queue");
    bounded! { fixture, PLAIN, ["MSET", "MGET", "UNLINK", "HSET", "HMGET", "HDEL", "SADD", "SMISMEMBER", "SREM", "RPUSH"];
        dict.insert_many(fixture.pairs());
        dict.get_many(&fixture.keys);
        dict.remove_many(&fixture.keys);
        hash.insert_many(fixture.pairs());
        hash.get_many(&fixture.keys);
        hash.remove_many(&fixture.keys);
        set.insert_many(&fixture.keys);
        set.contains_many(&fixture.keys);
        set.remove_many(&fixture.keys);
        list.push_many(&fixture.keys);
        queue.push_many(&fixture.keys);
    }
    let dict = dict.publishing(ChangeFormat::Own);
    let hash = hash.publishing(ChangeFormat::Own);
    let set = set.publishing(ChangeFormat::Own);
    let list = list.publishing(ChangeFormat::Own);
    bounded! { fixture, PUBLISHED, ["EVAL", "EVALSHA"];
        dict.insert_many(fixture.pairs());
        dict.insert_many(fixture.pairs());
        dict.remove_many(&fixture.keys);
        hash.insert_many(fixture.pairs());
        hash.insert_many(fixture.pairs());
        hash.remove_many(&fixture.keys);
        set.insert_many(&fixture.keys);
        set.remove_many(&fixture.keys);
        list.push_many(&fixture.keys);
    }
}

/// What a command of a plain call may take, and one of a call that publishes its changes. Twice as
/// much as on a busy machine; undivided, most calls would take more than ten times as much.
const PLAIN: f64 = 8.0;
const PUBLISHED: f64 = 35.0;
