use std::time::Duration;

/// The counters of a near cache since it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearCacheStats {
    /// Reads answered from the cache.
    pub hits: u64,
    /// Reads that asked the server.
    pub misses: u64,
    /// Reads that waited for another one of the same key.
    pub joined: u64,
    /// Values that were not cached, since their key may have changed while they were in flight.
    pub refused: u64,
    /// Keys that were removed because they changed.
    pub invalidations: u64,
    /// How often the cache was emptied because changes may have been missed.
    pub gaps: u64,
    /// The last measured time of a message from this program through the server and back. A change
    /// takes about half of it to arrive.
    pub lag: Duration,
    /// The number of values, including keys known to have none.
    pub entries: usize,
    /// Whether every served value is known to match the server, up to the bound. `false` while the
    /// cache is disconnected, and if it cannot receive every program's changes
    /// ([`sees_foreign_writes`](crate::Cached::sees_foreign_writes)): then it serves values that
    /// may be outdated.
    pub is_certain: bool,
}
