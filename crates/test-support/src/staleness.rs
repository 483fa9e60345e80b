//! How old the values are that near caches serve while something goes wrong.

mod history;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis_collections::{CachedDict, ChangeFormat, Client, NearCacheSettings, RedisDict};

use super::contract::settle;
use super::kinds::Kind;
use super::servers::PATIENCE;
use super::within;
use history::{History, State};

/// How old a value may be that the caches serve.
pub const BOUND: Duration = Duration::from_millis(500);

/// For a clock that is coarse.
pub const MARGIN: Duration = Duration::from_millis(50);

const KEYS: u64 = 8;
const READERS: usize = 2;
/// The pause of a writer after a write. Readers pause for less.
const PACE: Duration = Duration::from_millis(1);

/// The source of changes that a cache follows, and the kind of writer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WatchSource {
    /// The server reports the changes of a writer that publishes nothing.
    Tracking,
    /// The writer publishes its changes.
    Messages,
    /// The server reports the same writer as in `Tracking`, by keyspace notifications.
    Keyspace,
}

impl WatchSource {
    pub const ALL: [Self; 3] = [Self::Tracking, Self::Messages, Self::Keyspace];

    pub fn near_cache(self) -> NearCacheSettings {
        let near_cache = match self {
            Self::Tracking => NearCacheSettings::tracking(),
            Self::Messages | Self::Keyspace => NearCacheSettings::writer_messages(),
        };
        near_cache.max_staleness(BOUND)
    }

    pub fn writer(self, client: &Client, prefix: &str) -> RedisDict<u64, u64> {
        let dict = RedisDict::with_prefix(client, prefix);
        if self == Self::Messages { dict.publishing(ChangeFormat::Own) } else { dict }
    }
}

/// A thread that writes rising numbers all the time, and threads that read them through a near
/// cache and check how old they are.
pub struct Watch<C: Kind> {
    pub cached: CachedDict<u64, u64, C>,
    source: WatchSource,
    writer: RedisDict<u64, u64>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    bound: Duration,
    histories: Vec<Mutex<History>>,
    /// Held for each write.
    turn: Mutex<()>,
    written: AtomicU64,
    read: AtomicU64,
    worst: Mutex<Duration>,
    wrong: Mutex<Vec<String>>,
    writer_stopped: AtomicBool,
    readers_stopped: AtomicBool,
}

impl<C: Kind> Watch<C> {
    pub fn start(source: WatchSource, reader: &C, writer: &Client, prefix: &str) -> Self {
        Self::start_as(source, reader, writer, prefix, (source.near_cache(), BOUND))
    }

    /// As [`start`](Self::start), with a cache that may serve values of this age.
    pub fn start_as(
        source: WatchSource,
        reader: &C,
        writer: &Client,
        prefix: &str,
        (near_cache, bound): (NearCacheSettings, Duration),
    ) -> Self {
        let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(reader, prefix);
        let cached = opened::<C, _>(|| dict.cached(near_cache.clone()));
        let writer = source.writer(writer, prefix);
        let shared = Arc::new(Shared::new(bound));
        let mut threads = vec![thread::spawn({
            let (shared, writer) = (shared.clone(), writer.clone());
            move || shared.write(&writer)
        })];
        threads.extend((0..READERS).map(|_| {
            let (shared, cached) = (shared.clone(), cached.clone());
            thread::spawn(move || shared.read_all(&cached))
        }));
        Self { cached, source, writer, shared, threads }
    }

    /// Waits until values are written, and read from the cache.
    pub fn wait_for_traffic(&self) {
        let written = self.shared.written.load(Relaxed);
        let hits = self.cached.stats().hits;
        let goes_on = || {
            let stats = self.cached.stats();
            let is_written = self.shared.written.load(Relaxed) >= written + 4 * KEYS;
            is_written
                // How many depends on how fast this machine writes beside it.
                && stats.hits > hits
                && (stats.is_certain || !self.cached.sees_foreign_writes())
        };
        assert!(within(PATIENCE, goes_on), "{:?}: {:?}", self.source, self.cached.stats());
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Relaxed)
    }

    /// Waits until everything was read anew.
    fn wait_until_read(&self) {
        let read = self.shared.read.load(Relaxed);
        let is_read = || self.shared.read.load(Relaxed) >= read + 2 * KEYS * READERS as u64;
        assert!(within(PATIENCE, is_read), "{:?}: nothing is read", self.source);
    }

    /// Fails unless the cache serves the values of the server.
    fn assert_matches_server(&self) {
        let get = |key: u64| {
            let found = C::finish(async { settle!(self.cached.get(&key)) }).expect("a value");
            found.as_deref().copied()
        };
        for key in 0..KEYS {
            assert_eq!(get(key), self.writer.get(&key).expect("a value"), "{:?}", self.source);
        }
        let serves = || {
            let misses = self.cached.stats().misses;
            (0..KEYS).map(get).all(|value| value.is_some()) && self.cached.stats().misses == misses
        };
        assert!(within(PATIENCE, serves), "{:?}: {:?}", self.source, self.cached.stats());
    }

    /// Stops the readers, and returns the maximum staleness that was served.
    fn end(&mut self) -> Duration {
        self.shared.readers_stopped.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("no panic");
        }
        let wrong = lock(&self.shared.wrong);
        let stats = self.cached.stats();
        assert!(wrong.is_empty(), "{:?}: {wrong:#?}, {stats:?}", self.source);
        *lock(&self.shared.worst)
    }
}

impl<C: Kind> Drop for Watch<C> {
    fn drop(&mut self) {
        self.shared.writer_stopped.store(true, Relaxed);
        self.shared.readers_stopped.store(true, Relaxed);
    }
}

impl Shared {
    fn new(bound: Duration) -> Self {
        Self {
            bound,
            histories: (0..KEYS).map(|_| Mutex::new(History::new())).collect(),
            turn: Mutex::default(),
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            worst: Mutex::default(),
            wrong: Mutex::default(),
            writer_stopped: AtomicBool::new(false),
            readers_stopped: AtomicBool::new(false),
        }
    }

    fn write(&self, dict: &RedisDict<u64, u64>) {
        for (value, key) in (1..).flat_map(|value| (0..KEYS).map(move |key| (value, key))) {
            let turn = self.turn();
            if self.writer_stopped.load(Relaxed) {
                return;
            }
            self.history(key).states.push(State { value: Some(value), certain: None });
            if dict.insert(&key, &value).is_ok() {
                self.history(key).acknowledge();
                self.written.fetch_add(1, Relaxed);
            }
            drop(turn);
            thread::sleep(PACE);
        }
    }

    fn read_all<C: Kind>(&self, cached: &CachedDict<u64, u64, C>) {
        for key in (0..KEYS).cycle().take_while(|_| !self.readers_stopped.load(Relaxed)) {
            let began = Instant::now();
            // While there is no server there are errors.
            if let Ok(found) = C::finish(async { settle!(cached.get(&key)) }) {
                self.judge(key, began, found.as_deref().copied());
                self.read.fetch_add(1, Relaxed);
            }
            thread::sleep(PACE / 4);
        }
    }

    fn judge(&self, key: u64, began: Instant, value: Option<u64>) {
        let staleness = self.history(key).staleness(value, began);
        let problem = match staleness {
            None => format!("{value:?} was never written"),
            Some(staleness) => {
                let mut worst = lock(&self.worst);
                *worst = worst.max(staleness);
                if staleness <= self.bound + MARGIN {
                    return;
                }
                format!("{value:?} of {key} was replaced {staleness:?} before it was read")
            }
        };
        lock(&self.wrong).push(problem);
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    fn history(&self, key: u64) -> MutexGuard<'_, History> {
        lock(&self.histories[key as usize])
    }
}

/// Caches of one client, one for each [`WatchSource`], watched at the same time.
pub struct Watches<C: Kind>(pub Vec<Watch<C>>);

impl<C: Kind> Watches<C> {
    pub fn start(reader: &C, writer: &Client, name: &str) -> Self {
        let watches = WatchSource::ALL.map(|source| {
            let prefix = format!("{name}-{source:?}:");
            Watch::start(source, reader, writer, &prefix)
        });
        let watches = Self(watches.into());
        watches.wait_for_traffic();
        watches
    }

    pub fn wait_for_traffic(&self) {
        self.0.iter().for_each(Watch::wait_for_traffic);
    }

    /// Does something while no writer runs.
    pub fn while_writers_pause<T>(&self, act: impl FnOnce() -> T) -> T {
        let _turns: Vec<_> = self.0.iter().map(|watch| watch.shared.turn()).collect();
        act()
    }

    /// Does something that loses the data, and holds writers back until no cache may serve a value
    /// from before. Where reading is not possible any more, there is nothing to wait for.
    pub fn lose_data<T>(&self, act: impl FnOnce() -> T, is_readable: bool) -> T {
        let turns: Vec<_> = self.0.iter().map(|watch| watch.shared.turn()).collect();
        let histories = || self.0.iter().flat_map(|watch| &watch.shared.histories);
        // Readers may see it before it is over.
        let gone = || State { value: None, certain: None };
        histories().for_each(|history| lock(history).states.push(gone()));
        let done = act();
        histories().for_each(|history| lock(history).acknowledge());
        if is_readable {
            self.outlast_the_bound();
        }
        drop(turns);
        done
    }

    /// Waits until all caches know that they may miss changes, and for as long as they may have
    /// served their values since.
    pub fn wait_until_cut_off(&self) {
        let all_are_cut_off = || self.0.iter().all(|watch| !watch.cached.stats().is_certain);
        assert!(within(PATIENCE, all_are_cut_off), "it is not noticed");
        self.rest();
    }

    /// Waits until nothing may be served any more that was replaced before.
    pub fn outlast_the_bound(&self) {
        self.rest();
        self.0.iter().for_each(Watch::wait_until_read);
    }

    /// Lets the bound pass. The caches serve meanwhile, so that nothing else shows its end.
    fn rest(&self) {
        let longest = self.0.iter().map(|watch| watch.shared.bound).max();
        thread::sleep(longest.unwrap_or_default() + MARGIN);
    }

    /// How often the caches were cut off, together.
    pub fn gaps(&self) -> u64 {
        self.0.iter().map(|watch| watch.cached.stats().gaps).sum()
    }

    /// Waits until all caches serve the values of the server, and prints the greatest age of a
    /// served value.
    pub fn finish(mut self, what: &str) {
        self.wait_for_traffic();
        for watch in &self.0 {
            watch.shared.writer_stopped.store(true, Relaxed);
            drop(watch.shared.turn());
        }
        self.outlast_the_bound();
        for watch in &mut self.0 {
            watch.assert_matches_server();
            let worst = watch.end();
            println!("{what}, {}, {:?}: nothing older than {worst:.0?}", name::<C>(), watch.source);
        }
    }
}

/// Opens a cache or a subscription, and tries again after a timeout: on a busy machine its messages
/// may take longer than the bound allows.
pub fn opened<C: Kind, T: Send>(open: impl Fn() -> C::Reply<T>) -> T {
    let mut opened = None;
    let is_over = || {
        opened = Some(C::finish(async { settle!(open()) }));
        !matches!(&opened, Some(Err(error)) if error.is_timeout())
    };
    assert!(within(PATIENCE, is_over), "every try takes too long");
    opened.expect("a try").expect("a connection that listens")
}

fn name<C>() -> &'static str {
    std::any::type_name::<C>().rsplit(':').next().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
