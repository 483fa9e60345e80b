//! Typed collections that live in Redis or Valkey, shared by programs on many machines and in many
//! languages.
//!
//! ```
//! # let server = redis_collections::LocalServer::start()?;
//! # let url = server.url();
//! use std::time::Duration;
//!
//! use redis_collections::{Client, Json, RedisHashDict, RedisList};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct User {
//!     age: u32,
//! }
//!
//! let client = Client::open(url)?;
//!
//! // A list as a plain queue, with a blocking pop.
//! let jobs: RedisList<String> = RedisList::new(&client, "jobs");
//! jobs.push_back("sweep the floor")?;
//! assert_eq!(jobs.wait_pop_front(Duration::from_secs(5))?.as_deref(), Some("sweep the floor"));
//!
//! // Many records in one hash.
//! let users: RedisHashDict<String, Json<User>> = RedisHashDict::new(&client, "users");
//! users.insert("ann", &User { age: 36 })?;
//! assert_eq!(users.get_many(["ann", "bob"])?, [Some(User { age: 36 }), None]);
//!
//! // A counter that several programs share.
//! let visits: RedisHashDict<String, u64> = RedisHashDict::new(&client, "visits");
//! assert_eq!(visits.increment("ann", 1)?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | Redis | like |
//! |---|---|---|
//! | [`RedisDict`] | strings under a prefix | `HashMap` |
//! | [`RedisHashDict`] | one hash | `HashMap` |
//! | [`RedisList`] | one list | `VecDeque`, a queue |
//! | [`RedisSet`] | one set | `HashSet` |
//! | [`WorkQueue`] | one list | a queue whose jobs are kept until they are done |
//! | [`CacheClient`] | strings under a prefix | a cache that loads missing values |
//! | [`HashCacheClient`] | fields of hashes | a cache that loads missing values |
//!
//! Of the programs that miss the same value of a read-through cache ([`CacheClient`],
//! [`HashCacheClient`]), one loads it, and all find it in Redis. The module [`keyword`] (feature
//! `keyword`) has named, typed values that one program serves, and others read, write and watch.
//!
//! # Behaviour
//!
//! Every method documents its command and the cost. An operation is one command or one script, and
//! so atomic; on a cluster it is atomic for each slot. `update` reads first and ends with a
//! compare-and-set. `get_or_insert_with` reads first and, if there is no value, inserts one unless
//! another client has done so. `pop` of a dictionary finds an entry first, and then takes it in one
//! step. `extend`, iteration and operations built on iteration, and `len` and `clear` of a
//! [`RedisDict`], go page by page instead. No lock is held, and nothing is cached unless requested:
//! programs see each other's changes immediately.
//!
//! A dictionary that is read far more often than it is written can be
//! [`cached`](RedisDict::cached) (feature `near-cache`): a [`CachedDict`] answers from this
//! program's memory and follows other programs' changes. The change events of a collection are
//! available with [`subscribe`](RedisDict::subscribe).
//!
//! A write is never sent again once it may have been applied, except a waiting call whose
//! connection was closed. If its reply is lost, [`Error::applied`] reports that it may have been
//! applied, and the caller decides. The [cookbook] shows how.
//!
//! # Types of keys and values
//!
//! A collection names a [`Codec`] for its keys and values. `String`, `Vec<u8>`, the integers,
//! `f64`, `bool`, `char` and `SystemTime` are their own codecs and write the form that other Redis
//! programs expect, and so are `Uuid` and the types of `jiff`. A serde type is named with its
//! format: `Json<User>`, `MessagePack<User>`, and for Python programs `Pickle`, `PyJson` and
//! `PyDict`. Inside a serde type a `Vec<u8>` is a list of numbers; for bytes use the crate
//! `serde_bytes`.
//!
//! Codecs wrap others: [`Versioned`] upgrades values of older versions, `Zstd` compresses,
//! `Encrypted` encrypts, [`Lenient`] keeps what cannot be decoded, and `Option<C>` has values that
//! are absent.
//!
//! # Clients
//!
//! A [`Client`] blocks; an `AsyncClient` (feature `async`) is for tokio. Both have the same
//! collections with the same methods, and connect to one server (`open`), to a cluster (`cluster`)
//! or to the master that Sentinels name (`sentinel`), each with TLS if a URL begins with `rediss`.
//!
//! ```
//! # let server = redis_collections::LocalServer::start()?;
//! # let url = server.url();
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use redis_collections::{AsyncClient, RedisHashDict};
//!
//! let client = AsyncClient::open(url).await?;
//! let ages: RedisHashDict<String, u32, AsyncClient> = RedisHashDict::new(&client, "ages");
//! ages.insert("ann", &36).await?;
//! assert_eq!(ages.get("ann").await?, Some(36));
//! # Ok::<(), redis_collections::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One operation, several executors
//!
//! The last parameter of a collection is its [`Executor`]. On a [`Client`], the default, a method
//! returns a `Result`, on an `AsyncClient` a future of it. On [`Deferred`] it returns a
//! [`Command`], and several commands can be sent in one round trip:
//!
//! ```
//! # let server = redis_collections::LocalServer::start()?;
//! # let client = redis_collections::Client::open(server.url())?;
//! # use redis_collections::{RedisDict, RedisSet};
//! let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
//! let seen: RedisSet<String> = RedisSet::new(&client, "seen");
//! let (age, new) =
//!     client.pipeline((ages.deferred().get("ann"), seen.deferred().insert("ann")))?;
//! assert_eq!((age?, new?), (None, true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! The last column counts the crates that a feature alone adds to a build for Linux. Without
//! features there are 59 besides this one; the default features add 13.
//!
//! | feature | default | adds | crates |
//! |---|---|---|---|
//! | `async` | no | `AsyncClient`, on tokio | 13 |
//! | `bincode` | no | `Bincode`, for existing data: bincode is no longer maintained | 5 |
//! | `encryption` | no | `Encrypted`, by XChaCha20-Poly1305, and its `KeyRing` | 17 |
//! | `jiff` | no | `Timestamp`, `Date`, `DateTime` and `Time` of the crate `jiff` as codecs | 2 |
//! | `json` | yes | `Json`, `PyJson` | 5 |
//! | `keyword` | no | [`keyword`]: named, typed values that services publish | 10 |
//! | `msgpack` | yes | `MessagePack` | 6 |
//! | `pickle` | yes | `Pickle` | 9 |
//! | `pydict` | yes | `PyDict` | 11 |
//! | `local-server` | no | `LocalServer`, for examples and tests | 0 |
//! | `testing` | no | [`testing`]: a shared server, namespaces, `FaultProxy` | 0 |
//! | `metrics` | no | statistics of caches for the `metrics` facade | 3 |
//! | `r2d2-pool` | no | `ClientBuilder::pool`, for a pool of your own of the `redis` crate | 0 |
//! | `near-cache` | no | [`CachedDict`], [`CachedHashDict`] | 5 |
//! | `serde` | yes | serde's traits for statistics and settings | 3 |
//! | `tls` | no | `rediss` URLs and certificates, by rustls; needs a C compiler | 10 |
//! | `uuid` | no | `Uuid` of the crate `uuid` as a codec | 1 |
//! | `zstd` | no | `Zstd`, by the C library; needs a C compiler | 3 |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod changes;
mod client;
mod codec;
mod collections;
mod command;
mod connection;
pub mod cookbook;
mod episode;
mod error;
mod events;
mod figures;
#[cfg(test)]
mod fuzz;
mod handler_result;
mod keys;
#[cfg(feature = "keyword")]
pub mod keyword;
mod limits;
mod listen;
#[cfg(feature = "local-server")]
mod local_server;
mod lock;
mod logs;
#[cfg(test)]
mod model;
mod mutants;
#[cfg(feature = "near-cache")]
mod near;
mod panic;
mod protocol;
mod queue;
mod random;
mod read_through;
mod reply;
mod request;
mod routing;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod topology;

pub use crate::changes::ChangeFormat;
#[cfg(feature = "near-cache")]
pub use crate::collections::{Cached, CachedDict, CachedHashDict, NearCacheSettings, OnDisconnect};
pub use crate::collections::{Increment, RedisDict, RedisHashDict, Ttl};
pub use crate::queue::PendingJob;
pub use crate::read_through::{Loaded, LoadedMany, ReadThroughStats};
#[cfg(feature = "async")]
pub use client::{AsyncClient, ReplyFuture};
pub use client::{Client, ClientBuilder, Deferred, Executor, Pipeline, RoundTrips};
#[cfg(feature = "bincode")]
pub use codec::Bincode;
#[cfg(feature = "msgpack")]
pub use codec::MessagePack;
#[cfg(feature = "pickle")]
pub use codec::Pickle;
#[cfg(feature = "pydict")]
pub use codec::PyDict;
#[cfg(feature = "zstd")]
pub use codec::Zstd;
pub use codec::{Canonical, Codec, CodecError, Lenient, NonEmpty, Undecodable, Upgrade, Versioned};
#[cfg(feature = "encryption")]
pub use codec::{Encrypted, EncryptionKeys, KeyRing};
#[cfg(feature = "json")]
pub use codec::{Json, PyJson};
pub use collections::{Lend, Name, RedisKey, RedisList, RedisSet, Scan};
pub use command::Command;
pub use error::LoadError;
pub use error::{Applied, Attempt, Error, Result};
pub use events::{Event, Subscription};
pub use handler_result::HandlerResult;
pub use limits::{BYTES_PER_COMMAND, ENTRIES_PER_COMMAND};
#[cfg(feature = "local-server")]
pub use local_server::LocalServer;
pub use queue::{ClaimedJob, ConsumerState};
pub use queue::{
    Consumer, DeadJob, DeadLetters, Job, JobResult, QueueRates, QueueSettings, QueueStats,
    StopHandle, WorkQueue, Worker,
};
pub use read_through::{CacheClient, CachePolicy, HashCacheClient};
pub use time::Wait;

#[cfg(feature = "near-cache")]
pub use near::NearCacheStats;

/// Runs the programs of the README and of the guides.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/work-queue.md")]
    struct WorkQueue;

    #[doc = include_str!("../docs/near-cache.md")]
    struct NearCache;

    #[doc = include_str!("../docs/read-through.md")]
    struct ReadThrough;

    #[doc = include_str!("../docs/keywords.md")]
    struct Keywords;

    #[doc = include_str!("../docs/clients-and-clusters.md")]
    struct ClientsAndClusters;

    #[doc = include_str!("../docs/codecs-and-python.md")]
    struct CodecsAndPython;

    #[doc = include_str!("../docs/servers.md")]
    struct Servers;

    #[doc = include_str!("../docs/testing.md")]
    struct Testing;

    #[doc = include_str!("../docs/going-to-production.md")]
    struct GoingToProduction;

    #[doc = include_str!("../docs/benchmarks.md")]
    struct Benchmarks;
}
