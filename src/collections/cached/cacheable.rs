//! The requirements on a collection that can be cached.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::source::{DictSource, HashSource};
use crate::changes::ChangeFormat;
use crate::client::{RoundTrips, WriteObserver};
use crate::codec::Codec;
use crate::collections::iteration::Cursor;
use crate::collections::map::RedisDict;
use crate::collections::map::RedisHashDict;
use crate::collections::map::{dict_scan, hash_scan};
use crate::error::Result;
use crate::events::Sources;
use crate::near::{EntryKey, EntrySource};

/// A collection that can be cached.
pub trait Cacheable: Clone + Send + Sync + 'static {
    /// The codec of the keys.
    type Key: Codec;
    /// The codec of the values, which several threads may share.
    type Value: Codec<Owned: Sync>;
    /// The executor of the commands.
    type Executor: RoundTrips;
    #[doc(hidden)]
    type Source: EntrySource;

    /// How the cache reads entries, and which changes affect them.
    #[doc(hidden)]
    fn source(&self) -> Self::Source;

    #[doc(hidden)]
    fn executor(&self) -> &Self::Executor;

    /// The same collection, with its writes observed.
    #[doc(hidden)]
    fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self;

    /// The same collection, with its writes published.
    #[doc(hidden)]
    fn publishing(&self) -> Self;

    /// The channels on which its changes are published.
    #[doc(hidden)]
    fn sources(&self) -> Sources;

    /// The prefix of its keys on the server, and the slot that they have in common.
    #[doc(hidden)]
    fn base(&self) -> (Vec<u8>, Option<u16>);

    /// Fetches the keys of the next page of a scan.
    #[doc(hidden)]
    fn page(&self, cursor: Cursor) -> impl Future<Output = Result<(Cursor, Vec<EntryKey>)>> + Send;
}

impl<K, V, E> Cacheable for RedisDict<K, V, E>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    type Key = K;
    type Value = V;
    type Executor = E;
    type Source = DictSource;

    fn source(&self) -> DictSource {
        DictSource { prefix: self.prefix.clone(), margin: 0 }
    }

    fn executor(&self) -> &E {
        &self.executor
    }

    fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self {
        self.on(&self.executor.observed(observer))
    }

    fn publishing(&self) -> Self {
        match &self.publishing {
            Some(_) => self.clone(),
            None => self.publishing(ChangeFormat::Own),
        }
    }

    fn sources(&self) -> Sources {
        Sources::new(&self.change_publishing(), self.executor.database())
    }

    fn base(&self) -> (Vec<u8>, Option<u16>) {
        Self::base(self)
    }

    async fn page(&self, cursor: Cursor) -> Result<(Cursor, Vec<EntryKey>)> {
        let page = dict_scan::key_page(&self.executor, &self.prefix, b"*", cursor);
        let (cursor, keys) = page.await?;
        let strip = |key: &Vec<u8>| self.prefix.strip(key).map(EntryKey::from);
        Ok((cursor, keys.iter().filter_map(strip).collect()))
    }
}

impl<K, V, E> Cacheable for RedisHashDict<K, V, E>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    type Key = K;
    type Value = V;
    type Executor = E;
    type Source = HashSource;

    fn source(&self) -> HashSource {
        let fields_expire = Arc::new(AtomicBool::new(true));
        HashSource { name: self.name.clone(), fields_expire }
    }

    fn executor(&self) -> &E {
        &self.executor
    }

    fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self {
        self.on(&self.executor.observed(observer))
    }

    fn publishing(&self) -> Self {
        match &self.publishing {
            Some(_) => self.clone(),
            None => self.publishing(ChangeFormat::Own),
        }
    }

    fn sources(&self) -> Sources {
        Sources::new(&self.change_publishing(), self.executor.database())
    }

    fn base(&self) -> (Vec<u8>, Option<u16>) {
        Self::base(self)
    }

    async fn page(&self, cursor: Cursor) -> Result<(Cursor, Vec<EntryKey>)> {
        let page = hash_scan::page(&self.executor, &self.name, b"*", cursor);
        let (cursor, entries) = page.await?;
        Ok((cursor, entries.into_iter().map(|(key, _)| key.into()).collect()))
    }
}
