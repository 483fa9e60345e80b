use std::error::Error;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A client whose reads may be answered from a cache that is to follow the server.
///
/// Clones share the connection and the cache.
pub trait Cached: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    /// Connects with room for `capacity` keys in the cache.
    fn connect(url: &str, capacity: usize) -> impl Future<Output = Result<Self>> + Send;

    /// `GET`.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// `MGET`.
    fn get_many(&self, keys: &[&str]) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// `HGET`.
    fn hash_get(&self, key: &str, field: &str) -> impl Future<Output = Result<Option<u64>>> + Send;
}
