//! Dictionaries whose entries are kept in this program too.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::cacheable::Cacheable;
use super::settings::{Hears, NearCache};
use super::source::DictSource;
use crate::changes::ChangePublishing;
use crate::client::Machinery;
use crate::client::{Client, Executor, RoundTrips};
use crate::codec::Codec;
use crate::collections::cursor::Cursor;
use crate::collections::map::RedisDict;
use crate::collections::map::RedisHashDict;
use crate::error::{Error, Result};
use crate::events::Interpreter;
#[cfg(feature = "metrics")]
use crate::keys::name_of;
use crate::keys::side_key_of;
use crate::listen::{Feed, FeedOptions};
use crate::near::{CacheStats, Key, OwnWrites, Reader, ServerChanges, Source};
use crate::reply;
use crate::request::Request;

/// A [`RedisDict`] with a near cache. See [`Cached`].
pub type CachedDict<K, V, E = Client> = Cached<RedisDict<K, V, E>>;

/// A [`RedisHashDict`] with a near cache. See [`Cached`].
pub type CachedHashDict<K, V, E = Client> = Cached<RedisHashDict<K, V, E>>;

/// A dictionary `D` whose entries are kept in this program for as long as they are known to be what
/// the server has. Clones share the cache.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::{NearCache, RedisDict};
///
/// let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
/// let cached = ages.cached(NearCache::tracking())?;
/// ages.insert("ann", &36)?;
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&36)); // asks the server
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&36)); // does not
/// cached.insert("ann", &37)?; // every other operation is that of the dictionary
/// assert_eq!(cached.get("ann")?.as_deref(), Some(&37));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is promised
///
/// A value that was changed on the server is served no longer than the
/// [`max_staleness`](NearCache::max_staleness) of the cache, whatever happens to connections, servers
/// and this program; while all is well, no longer than the news takes to arrive, about a round trip.
/// What this program wrote through the cached dictionary is never read older afterwards. While the
/// cache cannot be sure, [`OnDisconnect`](crate::OnDisconnect) says what happens; once it is connected
/// again it begins empty.
///
/// The server tells nobody of `SWAPDB`: what it exchanged stays for the
/// [`time_to_live`](NearCache::time_to_live). With Sentinels a client asks every second for the master,
/// so that a cache can follow the old one for that much longer.
///
/// A failover of the server can undo writes that it had acknowledged, and the cache then follows the
/// server. A master that was cut off from its replicas, and does not know it, keeps its clients' caches
/// convinced for as long as it takes writes (`min-replicas-to-write` ends that).
///
/// # Connections
///
/// Each cache has a connection to each server that has entries, on which it hears of changes, and two
/// threads, or a task on an `AsyncClient`. They end when the last clone is dropped.
pub struct Cached<D: Cacheable> {
    collection: D,
    reader: Reader<D::Source, D::Value, D::Executor>,
    _feed: Arc<Feed>,
}

/// What a call on `D` gives back for a reply of `T`.
type Reply<D, T> = <<D as Cacheable>::Executor as Executor>::Reply<T>;
type Stored<D> = <<D as Cacheable>::Value as Codec>::Owned;
type Sought<D> = <<D as Cacheable>::Key as Codec>::Borrowed;
/// A key, and its value or that it has none.
type Peeked<D> = (<<D as Cacheable>::Key as Codec>::Owned, Option<Arc<Stored<D>>>);

impl<K: Codec, V: Codec<Owned: Sync>, E: RoundTrips> RedisDict<K, V, E> {
    /// The same dictionary with a near cache, which this connects. An error if the server does not
    /// let it: it needs the commands `CLIENT TRACKING`, `SUBSCRIBE` and `PUBLISH`.
    pub fn cached(&self, settings: NearCache) -> E::Reply<CachedDict<K, V, E>> {
        self.executor.converse(Cached::open(self.clone(), settings))
    }
}

impl<K: Codec, V: Codec<Owned: Sync>, E: RoundTrips> RedisHashDict<K, V, E> {
    /// The same dictionary with a near cache, which this connects. An error if the server does not
    /// let it: it needs the commands `CLIENT TRACKING`, `SUBSCRIBE` and `PUBLISH`.
    pub fn cached(&self, settings: NearCache) -> E::Reply<CachedHashDict<K, V, E>> {
        self.executor.converse(Cached::open(self.clone(), settings))
    }
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> CachedDict<Vec<u8>, V, E> {
    /// A cache in which values count as if they were not there for so many milliseconds before they
    /// expire.
    pub(crate) async fn open_with_margin(
        dict: RedisDict<Vec<u8>, V, E>,
        settings: NearCache,
        margin: u64,
    ) -> Result<Self> {
        let source = DictSource { margin, ..dict.source() };
        Self::open_with(dict, source, settings).await
    }

    /// The values of `keys`, as they are stored.
    pub(crate) async fn read(&self, keys: Vec<Key>) -> Result<Vec<Option<Arc<V::Owned>>>> {
        self.reader.clone().read(keys).await
    }

    /// In how many milliseconds the kept value of `key` counts as if it were not there, if ever.
    pub(crate) fn left(&self, key: &[u8]) -> Option<u64> {
        self.reader.cache().left(key)
    }

    /// What its writes tell of themselves.
    pub(crate) fn publishing(&self) -> Option<&Arc<ChangePublishing>> {
        self.collection.publishing.as_ref()
    }
}

impl<D: Cacheable> Cached<D> {
    /// The value of `key`, from the cache if it is there. A miss takes one round trip, for all
    /// callers that ask for the same key at the same time.
    pub fn get(&self, key: &Sought<D>) -> Reply<D, Option<Arc<Stored<D>>>> {
        let executor = self.collection.executor();
        let look = |key: &[u8]| self.reader.cache().lookup(key).ok_or_else(|| Key::from(key));
        match with_bytes::<D::Key, _>(key, look) {
            Ok(Ok(found)) => executor.ready(Ok(found)),
            Ok(Err(key)) => {
                let reader = self.reader.clone();
                executor.converse(async move { Ok(reader.read(vec![key]).await?.pop().flatten()) })
            }
            Err(error) => executor.ready(Err(error)),
        }
    }

    /// The values of `keys`, in their order. The server is asked for those that are missing, in one
    /// round trip for a thousand of them. The values may be of different moments.
    pub fn get_many<'a, Q>(
        &self,
        keys: impl IntoIterator<Item = &'a Q>,
    ) -> Reply<D, Vec<Option<Arc<Stored<D>>>>>
    where
        Q: Borrow<Sought<D>> + ?Sized + 'a,
    {
        let executor = self.collection.executor();
        let bytes = |key: &Q| with_bytes::<D::Key, Key>(key.borrow(), |key| key.into());
        match keys.into_iter().map(bytes).collect::<Result<Vec<_>>>() {
            Ok(keys) => executor.converse(self.reader.clone().read(keys)),
            Err(error) => executor.ready(Err(error)),
        }
    }

    /// Whether `key` has a value, as [`get`](Self::get) finds it.
    pub fn contains_key(&self, key: &Sought<D>) -> Reply<D, bool> {
        let (executor, reader) = (self.collection.executor(), self.reader.clone());
        let key = with_bytes::<D::Key, Key>(key, |key| key.into());
        executor.converse(async move {
            let found = reader.read(vec![key?]).await?;
            Ok(found.iter().any(Option::is_some))
        })
    }

    /// What the cache has of `key`, without asking the server: `None` if it has nothing that may be
    /// served, `Some(None)` if the key is known to have no value.
    pub fn peek(&self, key: &Sought<D>) -> Option<Option<Arc<Stored<D>>>> {
        with_bytes::<D::Key, _>(key, |key| self.reader.cache().lookup(key)).ok().flatten()
    }

    /// What the cache has, without asking the server, in no order and with what [`peek`](Self::peek) gives
    /// for each key. O(entries of the cache). Keys that cannot be decoded are left out.
    pub fn peek_all(&self) -> Vec<Peeked<D>> {
        let held = self.reader.cache().all().into_iter();
        held.filter_map(|(key, value)| Some((D::Key::decode(&key).ok()?, value))).collect()
    }

    /// Reads all entries into the cache, a page at a time, and says how many there are. `SCAN` or
    /// `HSCAN`, O(n).
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

    /// Forgets everything, so that the server is asked again. The dictionary itself stays as it is,
    /// and so do the caches of other programs.
    pub fn forget(&self) {
        self.reader.cache().cleared();
    }

    /// Lets all near caches of this dictionary forget everything, in all programs that are connected.
    /// `PUBLISH`, O(caches). The dictionary itself stays as it is.
    pub fn forget_everywhere(&self) -> Reply<D, ()> {
        self.forget();
        let channel = forget_channel(&self.collection);
        let publish = Request::read("PUBLISH").arg(channel).arg("");
        self.collection.executor().run(publish.returns(|reply| reply::count(reply).map(drop)))
    }

    /// The client whose writes are known to the cache, for pipelines and transactions.
    pub fn client(&self) -> &D::Executor {
        self.collection.executor()
    }

    /// Whether the cache learns of changes by every program, and of entries that expire or are evicted.
    ///
    /// `false` for a [`NearCache::writer_messages`] on a server that does not send keyspace notifications and does
    /// not let this program turn them on: what other programs change without publishing it is then served
    /// for up to the [`time_to_live`](NearCache::time_to_live).
    pub fn sees_foreign_writes(&self) -> bool {
        self.reader.cache().sees_foreign_writes()
    }

    /// What the cache has done so far.
    pub fn stats(&self) -> CacheStats {
        self.reader.cache().stats()
    }

    async fn open(collection: D, settings: NearCache) -> Result<Self> {
        let source = collection.source();
        Self::open_with(collection, source, settings).await
    }

    async fn open_with(collection: D, source: D::Source, settings: NearCache) -> Result<Self> {
        let cache = settings.cache()?;
        let source = Arc::new(source);
        if let Some(refusal) = source.commands(&[Key::default()])[0].request.refusal() {
            return Err(refusal);
        }
        let collection = match settings.hears {
            Hears::Server => collection,
            Hears::Writers => collection.publishing(),
        };
        let own = OwnWrites { cache: cache.clone(), source: source.clone() };
        let executor = collection.executor().clone();
        let options = options(&collection, &settings);
        let interpreter = Mutex::new(Interpreter::new(collection.sources()));
        let hearing = ServerChanges {
            cache: cache.clone(),
            source: source.clone(),
            interpreter,
            forget: forget_channel(&collection),
            #[cfg(feature = "metrics")]
            name: String::from_utf8_lossy(name_of(&options.base)).into_owned(),
        };
        let feed = Arc::new(executor.feed(options, Arc::new(hearing)).await?);
        let collection = collection.observed(Arc::new(own));
        let reader = Reader::new(executor, cache, source, settings.refuses());
        Ok(Self { collection, reader, _feed: feed })
    }
}

/// What a cache of `collection` listens to.
fn options<D: Cacheable>(collection: &D, settings: &NearCache) -> FeedOptions {
    let (base, slot) = collection.base();
    let sources = collection.sources();
    let forget = Request::read("SUBSCRIBE").arg(forget_channel(collection));
    let track = Request::read("CLIENT").arg("TRACKING").arg("ON").arg("BCAST");
    let track = if base.is_empty() { track } else { track.arg("PREFIX").arg(&base) };
    let (commands, wishes, keyspace) = match settings.hears {
        Hears::Server => (vec![track, forget], Vec::new(), None),
        Hears::Writers => {
            let commands = sources.commands().into_iter().chain([forget]).collect();
            (commands, sources.wishes(&base), Some(sources.kinds()))
        }
    };
    let tracks = settings.hears == Hears::Server;
    let (beat, silence) = (settings.beat(), settings.silence());
    FeedOptions {
        slot,
        base,
        commands,
        optional_commands: wishes,
        tracks,
        keyspace,
        warns: true,
        needs_rights: true,
        beat,
        silence,
    }
}

/// The channel on which all near caches of `collection` are asked to forget everything.
fn forget_channel<D: Cacheable>(collection: &D) -> Vec<u8> {
    let structure = collection.sources().structure.name();
    side_key_of(&collection.base().0, "forget", structure.as_bytes())
}

/// The dictionary itself. Its own reads ask the server; its writes are known to the cache.
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

/// Does something with a key as it is stored. One that is not made of bytes is written to a buffer
/// that each thread keeps.
fn with_bytes<K: Codec, T>(key: &K::Borrowed, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
    if let Some(bytes) = K::as_bytes(key) {
        return Ok(look(bytes));
    }
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let looked = K::encode(key, &mut buffer).map(|()| look(&buffer));
    if buffer.capacity() <= LARGEST_KEPT {
        // A thread that ends has no use for it.
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    looked.map_err(|source| Error::Encode {
        attempt: Box::new(Request::read("GET").attempt()),
        source,
    })
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

const LARGEST_KEPT: usize = 4096;
