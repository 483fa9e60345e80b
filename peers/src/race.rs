use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};
use redis_collections::LocalServer;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::{Cached, Path, Result};

/// One plain writer against readers of the same key through a cache, one key after the other.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    pub path: Path,
    pub readers: usize,
    pub keys: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Keys of which the cache still gives an old value after it has heard of all writes.
    pub stale: usize,
    /// The reads during the race.
    pub reads: u64,
    /// How many commands that read the server saw meanwhile.
    pub asked: u64,
}

/// The numbers of readers worth a race.
pub const READERS: [usize; 2] = [1, 4];

impl Race {
    /// Runs on a server of its own.
    pub async fn run<C: Cached>(self) -> Result<Outcome> {
        let server = LocalServer::start()?;
        let mut plain = Client::open(server.url())?.get_multiplexed_async_connection().await?;
        let cache = C::connect(server.url(), self.keys * ROOM).await?;
        self.path.set(LAST, 0).exec_async(&mut plain).await?;
        for key in 0..self.keys {
            self.compete(&name(key), &cache, &plain).await?;
        }
        let reads = (self.keys * self.readers) as u64 * ROUNDS;
        let asked = reads_seen(&mut plain).await?;
        self.settle(&cache, &mut plain).await?;
        Ok(Outcome { stale: self.count_stale(&cache, &mut plain).await?, reads, asked })
    }

    async fn compete<C: Cached>(
        self,
        key: &str,
        cache: &C,
        plain: &MultiplexedConnection,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        let (begin, round) = watch::channel(0);
        tasks.spawn(self.write(key.to_owned(), plain.clone(), begin));
        for _ in 0..self.readers {
            tasks.spawn(self.read(key.to_owned(), cache.clone(), round.clone()));
        }
        while let Some(finished) = tasks.join_next().await {
            finished??;
        }
        Ok(())
    }

    async fn write(
        self,
        key: String,
        mut plain: MultiplexedConnection,
        begin: watch::Sender<u64>,
    ) -> Result<()> {
        for value in 1..=ROUNDS {
            begin.send_replace(value);
            self.path.set(&key, value).exec_async(&mut plain).await?;
        }
        Ok(())
    }

    /// Reads once for each write, and not before that began: reads from a cache are so quick that
    /// they would be over before the second write.
    async fn read(
        self,
        key: String,
        cache: impl Cached,
        mut round: watch::Receiver<u64>,
    ) -> Result<()> {
        for value in 1..=ROUNDS {
            round.wait_for(|begun| *begun >= value).await?;
            self.path.read(&cache, &key).await?;
        }
        Ok(())
    }

    /// Waits until the cache has heard of one more write. Servers report writes in their order, so
    /// it has then heard of all before.
    async fn settle(self, cache: &impl Cached, plain: &mut MultiplexedConnection) -> Result<()> {
        self.path.read(cache, LAST).await?;
        self.path.set(LAST, 1).exec_async(plain).await?;
        let heard = async {
            while self.path.read(cache, LAST).await? != Some(1) {
                sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        let in_time = timeout(PATIENCE, heard).await;
        in_time.map_err(|_| "the cache never heard of the last write")?
    }

    async fn count_stale(
        self,
        cache: &impl Cached,
        plain: &mut MultiplexedConnection,
    ) -> Result<usize> {
        let mut stale = 0;
        for key in (0..self.keys).map(name) {
            let now: Option<u64> = self.path.get(&key).query_async(plain).await?;
            stale += usize::from(self.path.read(cache, &key).await? != now);
        }
        Ok(stale)
    }
}

/// How many commands that read this server has seen.
async fn reads_seen(plain: &mut MultiplexedConnection) -> Result<u64> {
    let statistics: String = cmd("INFO").arg("commandstats").query_async(plain).await?;
    let calls = statistics.lines().filter_map(|line| {
        let (command, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        READS.contains(&command).then(|| figures.split(',').next())?
    });
    Ok(calls.map(str::parse::<u64>).sum::<std::result::Result<_, _>>()?)
}

fn name(key: usize) -> String {
    format!("key:{key}")
}

/// How often each key is written, and read by each reader.
const ROUNDS: u64 = 20;
/// Places in the cache for each key, so that nothing stale is pushed out before it is counted.
const ROOM: usize = 8;
const LAST: &str = "last";
const PATIENCE: Duration = Duration::from_secs(30);
const READS: [&str; 5] = ["get", "mget", "hget", "hmget", "hgetall"];
