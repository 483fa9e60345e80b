//! Dictionaries with a near cache in this program.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::cacheable::Cacheable;
use super::feed_options::{feed_options, forget_channel};
use super::key_bytes::{entry_key, look_up};
use super::settings::{ChangeSource, NearCacheSettings};
use super::source::DictSource;
use crate::changes::ChangePublishing;
use crate::client::InternalClient;
use crate::client::{Client, Executor, RoundTrips};
use crate::codec::Codec;
use crate::collections::iteration::Cursor;
use crate::collections::lend::Lend;
use crate::collections::map::RedisDict;
use crate::collections::map::RedisHashDict;
use crate::episode::Episode;
use crate::error::Result;
use crate::events::Interpreter;
use crate::keys::name_of;
use crate::listen::Feed;
use crate::lock::Lock;
use crate::near::{EntryKey, EntrySource, NearCacheStats, NearReader, OwnWrites, ServerChanges};
use crate::reply;
use crate::request::Request;

/// A [`RedisDict`] with a near cache. See [`Cached`].
pub type CachedDict<K, V, E = Client> = Cached<RedisDict<K, V, E>>;

/// A [`RedisHashDict`] with a near cache. See [`Cached`].
pub type CachedHashDict<K, V, E = Client> = Cached<RedisHashDict<K, V, E>>;

/// A dictionary `D` whose entries are cached in this program for as long as they are known to match
/// the server. Clones share the cache.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::{NearCacheSettings, RedisDict};
///
/// let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
/// let cached = ages.cached(NearCacheSettings::tracking())?;
/// ages.insert("ann", &36)?;
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&36)); // asks the server
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&36)); // does not
/// cached.insert("ann", &37)?; // every other operation is that of the dictionary
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&37));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Guarantees
///
/// With [`NearCacheSettings::tracking`], a value that was changed on the server is served no longer
/// than the [`max_staleness`](NearCacheSettings::max_staleness) of the cache, whatever happens to
/// connections, servers and this program. With [`NearCacheSettings::writer_messages`] that holds
/// for changes of writers that publish them, and for all changes while
/// [`sees_foreign_writes`](Self::sees_foreign_writes) is `true`. In normal operation a changed
/// value is served no longer than the invalidation takes to arrive, about a round trip. A read
/// never returns a value older than what this program wrote through the cached dictionary. While
/// the cache cannot be certain, [`OnDisconnect`](crate::OnDisconnect) applies; after a reconnect it
/// starts empty.
///
/// The server notifies no client of `SWAPDB`: entries that it exchanged stay for the
/// [`time_to_live`](NearCacheSettings::time_to_live). With Sentinels a client asks for the master
/// every second, so a cache can follow the old one for that much longer.
///
/// A failover of the server can undo writes that it had acknowledged, and the cache then follows
/// the server. A master that is partitioned from its replicas without noticing keeps its clients'
/// caches certain for as long as it accepts writes (`min-replicas-to-write` ends that).
///
/// # Connections
///
/// Each cache has a connection to each server that holds entries, on which it receives changes, and
/// two threads, or a task on an `AsyncClient`. They end when the last clone is dropped.
pub struct Cached<D: Cacheable> {
    collection: D,
    reader: NearReader<D::Source, D::Value, D::Executor>,
    _feed: Arc<Feed>,
}

/// Keys that are not cached, and the places of their values.
#[derive(Default)]
struct Missing {
    keys: Vec<EntryKey>,
    places: Vec<usize>,
}

/// The return type of a call on `D` for a reply of `T`.
type Reply<D, T> = <<D as Cacheable>::Executor as Executor>::Reply<T>;
/// The type of a decoded value.
type Stored<D> = <<D as Cacheable>::Value as Codec>::Owned;
/// The type of a key in arguments.
type Sought<D> = <<D as Cacheable>::Key as Codec>::Borrowed;
/// A key, and its value, or `None` if it is known to have none.
type Peeked<D> = (<<D as Cacheable>::Key as Codec>::Owned, Option<Arc<Stored<D>>>);

impl<K: Codec, V: Codec<Owned: Sync>, E: RoundTrips> RedisDict<K, V, E> {
    /// The same dictionary with a near cache, which this connects. Fails if the server refuses
    /// `SUBSCRIBE`, `PUBLISH`, `MULTI`, `EXEC` or `UNLINK`, or for [`NearCacheSettings::tracking`]
    /// `CLIENT TRACKING` or `SET`. The names of its keys and channels begin with the dictionary's.
    /// For [`NearCacheSettings::writer_messages`] and [`ChangeFormat::PyDict`] it also needs
    /// `PSUBSCRIBE` of the channels of redis-pydict, `event_` and the prefix.
    ///
    /// [`ChangeFormat::PyDict`]: crate::ChangeFormat::PyDict
    pub fn cached(&self, settings: NearCacheSettings) -> E::Reply<CachedDict<K, V, E>> {
        self.executor.converse(Cached::open(self.clone(), settings))
    }
}

impl<K: Codec, V: Codec<Owned: Sync>, E: RoundTrips> RedisHashDict<K, V, E> {
    /// The same dictionary with a near cache, which this connects. Fails if the server refuses
    /// `SUBSCRIBE`, `PUBLISH`, `MULTI`, `EXEC` or `UNLINK`, or for [`NearCacheSettings::tracking`]
    /// `CLIENT TRACKING` or `SET`. The names of its keys and channels begin with the dictionary's.
    pub fn cached(&self, settings: NearCacheSettings) -> E::Reply<CachedHashDict<K, V, E>> {
        self.executor.converse(Cached::open(self.clone(), settings))
    }
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> CachedDict<Vec<u8>, V, E> {
    /// Opens a cache that treats values as absent for the given number of milliseconds before they
    /// expire.
    pub(crate) async fn open_with_margin(
        dict: RedisDict<Vec<u8>, V, E>,
        settings: NearCacheSettings,
        margin: u64,
    ) -> Result<Self> {
        let source = DictSource { margin, ..dict.source() };
        Self::open_with(dict, source, settings).await
    }

    /// The stored values of `keys`.
    pub(crate) async fn read(&self, keys: Vec<EntryKey>) -> Result<Vec<Option<Arc<V::Owned>>>> {
        self.reader.clone().read(keys).await
    }

    /// The number of milliseconds after which the cached value of `key` is treated as absent, if
    /// there is such a time.
    pub(crate) fn left(&self, key: &[u8]) -> Option<u64> {
        self.reader.cache().left(key)
    }

    /// The publishing settings of its writes.
    pub(crate) fn publishing(&self) -> Option<&Arc<ChangePublishing>> {
        self.collection.publishing.as_ref()
    }
}

impl<D: Cacheable> Cached<D> {
    /// The value of `key`, from the cache if it is there. A miss takes one round trip, shared by
    /// all callers that ask for the same key at the same time. An `AsyncClient` looks into the cache
    /// as it makes the future.
    pub fn get(&self, key: &Sought<D>) -> Reply<D, Option<Arc<Stored<D>>>> {
        match self.peek(key) {
            Some(found) => self.collection.executor().ready(Ok(found)),
            None => self.load(key),
        }
    }

    /// The values of `keys`, in their order. Missing ones are fetched from the server, in one round
    /// trip for a thousand of them. The values may be of different moments.
    pub fn get_many<Q, const OWNED: bool>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Reply<D, Vec<Option<Arc<Stored<D>>>>>
    where
        Q: Lend<D::Key, OWNED>,
    {
        let executor = self.collection.executor();
        let (mut values, mut missing) = (Vec::new(), Missing::default());
        for key in keys {
            let key = key.lend();
            let found = self.peek(key);
            if found.is_none() {
                match entry_key::<D::Key>(key) {
                    Ok(key) => missing.keys.push(key),
                    Err(error) => return executor.ready(Err(error)),
                }
                missing.places.push(values.len());
            }
            values.push(found.flatten());
        }
        if missing.keys.is_empty() {
            return executor.ready(Ok(values));
        }
        let reader = self.reader.clone();
        executor.converse(async move {
            let found = reader.read(missing.keys).await?;
            missing.places.into_iter().zip(found).for_each(|(place, found)| values[place] = found);
            Ok(values)
        })
    }

    /// The cached value of `key`, without asking the server and without a future: `None` if there
    /// is none, or if nothing may be served.
    pub fn get_if_present(&self, key: &Sought<D>) -> Option<Arc<Stored<D>>> {
        self.peek(key).flatten()
    }

    /// Returns whether `key` has a value, as [`get`](Self::get) finds it.
    pub fn contains_key(&self, key: &Sought<D>) -> Reply<D, bool> {
        let (executor, reader) = (self.collection.executor(), self.reader.clone());
        let key = entry_key::<D::Key>(key);
        executor.converse(async move {
            let found = reader.read(vec![key?]).await?;
            Ok(found.iter().any(Option::is_some))
        })
    }

    /// The cached state of `key`, without asking the server: `None` if there is nothing that may be
    /// served, `Some(None)` if the key is known to have no value.
    #[inline]
    pub fn peek(&self, key: &Sought<D>) -> Option<Option<Arc<Stored<D>>>> {
        look_up::<D::Key, _>(key, |key| self.reader.cache().lookup(key))
    }

    /// All cached entries, without asking the server, in no order and in the form that
    /// [`peek`](Self::peek) returns for each key. O(entries of the cache). Keys that cannot be
    /// decoded are left out.
    pub fn peek_all(&self) -> Vec<Peeked<D>> {
        let held = self.reader.cache().all().into_iter();
        held.filter_map(|(key, value)| Some((D::Key::decode(&key).ok()?, value))).collect()
    }

    /// Reads all entries into the cache, a page at a time, and returns how many there are. `SCAN`
    /// or `HSCAN`, O(n).
    pub fn preload(&self) -> Reply<D, usize> {
        let (collection, reader) = (self.collection.clone(), self.reader.clone());
        self.collection.executor().converse(async move {
            let mut loaded = 0;
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let (next, keys) = collection.page(cursor).await?;
                let found = reader.clone().read(keys).await?;
                loaded += found.iter().flatten().count();
                cursor = next;
                if cursor.counts_anew() {
                    loaded = 0;
                }
            }
            Ok(loaded)
        })
    }

    /// Empties the cache, so that the server is asked again. The dictionary itself and the caches
    /// of other programs are unchanged.
    pub fn forget(&self) {
        self.reader.cache().cleared();
    }

    /// Empties all near caches of this dictionary, in all connected programs. `PUBLISH`, O(caches).
    /// The dictionary itself is unchanged.
    pub fn forget_everywhere(&self) -> Reply<D, ()> {
        self.forget();
        let channel = forget_channel(&self.collection);
        let publish = Request::read("PUBLISH").arg(channel).arg("");
        self.collection.executor().run(publish.returns(|reply| reply::count(reply).map(drop)))
    }

    /// The client whose writes the cache observes, for pipelines and transactions.
    pub fn client(&self) -> &D::Executor {
        self.collection.executor()
    }

    /// Returns whether the cache receives changes by every program, and entries that expire or are
    /// evicted.
    ///
    /// `false` for a [`NearCacheSettings::writer_messages`] on a server that does not send keyspace
    /// notifications and does not let this program turn them on: changes that other programs make
    /// without publishing them are then served stale for up to the
    /// [`time_to_live`](NearCacheSettings::time_to_live).
    pub fn sees_foreign_writes(&self) -> bool {
        self.reader.cache().sees_foreign_writes()
    }

    /// The counters of the cache so far.
    pub fn stats(&self) -> NearCacheStats {
        self.reader.cache().stats()
    }

    /// The value of a key that is not cached.
    #[cold]
    fn load(&self, key: &Sought<D>) -> Reply<D, Option<Arc<Stored<D>>>> {
        let (executor, reader) = (self.collection.executor(), self.reader.clone());
        let key = entry_key::<D::Key>(key);
        executor.converse(async move { Ok(reader.read(vec![key?]).await?.pop().flatten()) })
    }

    async fn open(collection: D, settings: NearCacheSettings) -> Result<Self> {
        let source = collection.source();
        Self::open_with(collection, source, settings).await
    }

    /// Opens a cache over `source`: the feed is connected before the first read.
    async fn open_with(
        collection: D,
        source: D::Source,
        settings: NearCacheSettings,
    ) -> Result<Self> {
        let cache = settings.cache()?;
        let source = Arc::new(source);
        if let Some(refusal) = source.commands(&[EntryKey::default()])[0].request.refusal() {
            return Err(refusal);
        }
        let collection = match settings.changes {
            ChangeSource::Server => collection,
            ChangeSource::Writers => collection.publishing(),
        };
        let own = OwnWrites { cache: cache.clone(), source: source.clone() };
        let executor = collection.executor().clone();
        let options = feed_options(&collection, &settings);
        let interpreter = Lock::new(Interpreter::new(collection.sources()));
        let handler = ServerChanges {
            cache: cache.clone(),
            source: source.clone(),
            interpreter,
            forget: forget_channel(&collection),
            outage: Episode::default(),
            name: String::from_utf8_lossy(name_of(&options.base)).into_owned(),
        };
        let feed = Arc::new(executor.feed(options, Arc::new(handler)).await?);
        let collection = collection.observed(Arc::new(own));
        let reader = NearReader::new(executor, cache, source, settings.refuses());
        Ok(Self { collection, reader, _feed: feed })
    }
}

/// The dictionary itself. Its own reads ask the server; the cache observes its writes.
impl<D: Cacheable> Deref for Cached<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.collection
    }
}

impl<D: Cacheable> Clone for Cached<D> {
    fn clone(&self) -> Self {
        let (collection, reader) = (self.collection.clone(), self.reader.clone());
        Self { collection, reader, _feed: self._feed.clone() }
    }
}

impl<D: Cacheable + fmt::Debug> fmt::Debug for Cached<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({:?})", self.collection)
    }
}
