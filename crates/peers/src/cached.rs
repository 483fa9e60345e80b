use std::error::Error;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A client whose reads may be answered from a cache that is to follow the server.
///
/// Clones share the connection and the cache.
pub trait Cached: Clone + Send + Sync + 'static {
    /// Whether reads block the thread, and so need one of their own.
    const BLOCKS: bool = false;

    /// Whether the writers publish their changes, as this crate's can.
    const PUBLISHES: bool = false;

    /// How many hashes it can read, or any number of them.
    const HASHES: Option<usize> = None;

    fn name() -> String;

    /// Connects with room for `capacity` keys in the cache.
    fn connect(url: &str, capacity: usize) -> impl Future<Output = Result<Self>> + Send;

    /// `GET key:{key}`.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// `MGET`.
    fn get_many(&self, keys: &[&str]) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// `HGET hash:{hash} {field}`.
    fn hash_get(
        &self,
        hash: usize,
        field: &str,
    ) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// `HMGET`.
    fn hash_get_many(
        &self,
        hash: usize,
        fields: &[&str],
    ) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// How many values were not kept since they changed on the way, if the cache counts them.
    fn refused(&self) -> Option<u64> {
        None
    }
}
