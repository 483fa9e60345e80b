use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Client, cmd};
use redis_collections::LocalServer;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::driver::patient;
use crate::path::Entry;
use crate::writer::Writer;
use crate::{Cached, Path, Result};

/// One writer against readers of the same key through a cache, several keys at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    pub path: Path,
    pub readers: usize,
    pub keys: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Keys of which the cache still gives an old value long after the last write.
    pub stale: usize,
    /// The reads during the race.
    pub reads: u64,
    /// How many commands that read the server saw meanwhile.
    pub asked: u64,
    /// How many values were not kept since they changed on the way, if the cache counts them.
    pub refused: Option<u64>,
}

/// The numbers of readers worth a race.
pub const READERS: [usize; 2] = [1, 4];

impl Race {
    /// Runs on a server of its own.
    pub async fn run<C: Cached>(self) -> Result<Outcome> {
        let server = LocalServer::start()?;
        let writer = if C::PUBLISHES {
            Writer::publishing(server.url(), C::HASHES.unwrap_or(self.keys)).await?
        } else {
            Writer::plain(server.url()).await?
        };
        let cache = C::connect(server.url(), self.keys * ROOM).await?;
        let field = Field { race: self, cache, writer, reads: Arc::default() };
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            lanes.spawn(field.clone().run_lane(lane));
        }
        let mut stale = joined(lanes).await?.into_iter().sum();
        let reads = field.reads.load(Ordering::Relaxed);
        let (asked, refused) = (reads_seen(server.url()).await?, field.cache.refused());
        if !self.is_judged_at_once::<C>() {
            let entries = (0..self.keys).map(|key| self.entry::<C>(key)).collect();
            let mut judge = JoinSet::new();
            spawn::<C, _>(&mut judge, field.count_stale(entries));
            stale = joined(judge).await?.into_iter().sum();
        }
        Ok(Outcome { stale, reads, asked, refused })
    }

    /// A change of a hash may make a cache forget all its fields, and so hide that one was stale.
    fn is_judged_at_once<C: Cached>(self) -> bool {
        self.path.is_of_hashes() && C::HASHES.is_some()
    }

    /// Lanes share no hash.
    fn entry<C: Cached>(self, key: usize) -> Entry {
        Entry { key, hash: C::HASHES.map_or(key, |hashes| key % LANES % hashes) }
    }
}

/// The parts of a race that all lanes share.
#[derive(Clone)]
struct Field<C> {
    race: Race,
    cache: C,
    writer: Writer,
    reads: Arc<AtomicU64>,
}

impl<C: Cached> Field<C> {
    /// The races of every so many keys, one after the other. Counts the stale ones that are judged.
    async fn run_lane(self, lane: usize) -> Result<usize> {
        let mut stale = 0;
        for key in (lane..self.race.keys).step_by(LANES) {
            let entry = self.race.entry::<C>(key);
            let mut tasks = JoinSet::new();
            let (begin, round) = watch::channel(0);
            tasks.spawn(self.clone().write(entry, begin));
            for _ in 0..self.race.readers {
                spawn::<C, _>(&mut tasks, self.clone().read(entry, round.clone()));
            }
            joined(tasks).await?;
            if self.race.is_judged_at_once::<C>() {
                let mut judge = JoinSet::new();
                spawn::<C, _>(&mut judge, self.clone().count_stale(vec![entry]));
                stale += joined(judge).await?.into_iter().sum::<usize>();
            }
        }
        Ok(stale)
    }

    async fn write(self, entry: Entry, begin: watch::Sender<u64>) -> Result<()> {
        for value in 1..=ROUNDS {
            begin.send_replace(value);
            self.race.path.write(&self.writer, entry, value).await?;
        }
        Ok(())
    }

    /// Reads twice for each write, and not before that began: reads from a cache are so quick that
    /// they would be over before the second write. The second read may find the value
    /// of the first in the cache.
    async fn read(self, entry: Entry, mut round: watch::Receiver<u64>) -> Result<()> {
        for value in 1..=ROUNDS {
            round.wait_for(|begun| *begun >= value).await?;
            self.value(entry).await?;
            self.value(entry).await?;
        }
        Ok(())
    }

    async fn count_stale(self, mut entries: Vec<Entry>) -> Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let mut stale = Vec::new();
            for entry in entries {
                if self.value(entry).await? != Some(ROUNDS) {
                    stale.push(entry);
                }
            }
            if stale.is_empty() || Instant::now() > deadline {
                return Ok(stale.len());
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
            entries = stale;
        }
    }

    async fn value(&self, entry: Entry) -> Result<Option<u64>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.race.path.read(&self.cache, entry).await
    }
}

/// Where it blocks no other thread.
fn spawn<C: Cached, T: Send + 'static>(
    tasks: &mut JoinSet<Result<T>>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) {
    if C::BLOCKS {
        let runtime = Handle::current();
        tasks.spawn_blocking(move || runtime.block_on(work));
    } else {
        tasks.spawn(work);
    }
}

async fn joined<T: 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let mut results = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        results.push(finished??);
    }
    Ok(results)
}

/// How many commands that read this server has seen.
async fn reads_seen(url: &str) -> Result<u64> {
    let client = Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient()).await?;
    let statistics: String = cmd("INFO").arg("commandstats").query_async(&mut connection).await?;
    let calls = statistics.lines().filter_map(|line| {
        let (command, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        READS.contains(&command).then(|| figures.split(',').next())?
    });
    Ok(calls.map(str::parse::<u64>).sum::<std::result::Result<_, _>>()?)
}

/// How many keys are raced for at the same time.
const LANES: usize = 16;
/// How often each key is written, and read twice by each reader.
const ROUNDS: u64 = 10;
/// Places in the cache for each key, so that nothing stale is pushed out before it is counted.
const ROOM: usize = 8;
/// How long the news of a write may take. A value that is stale after that stays stale.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const READS: [&str; 5] = ["get", "mget", "hget", "hmget", "hgetall"];
