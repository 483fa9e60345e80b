use std::time::Duration;

/// What a near cache has done since it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads answered here.
    pub hits: u64,
    /// Reads for which the server was asked.
    pub misses: u64,
    /// Reads that waited for another one of the same key.
    pub joined: u64,
    /// Values that were not kept, since their key may have changed while they were on the way.
    pub refused: u64,
    /// Keys that were forgotten since they changed.
    pub invalidations: u64,
    /// How often everything was forgotten since changes may have been missed.
    pub gaps: u64,
    /// How long a message took from this program through the server and back, when this was measured
    /// last. A change takes about half of it to be heard of.
    pub lag: Duration,
    /// How many values there are, keys known to have none included.
    pub entries: usize,
    /// Whether every value that it serves is known to be what the server has, up to the bound. `false`
    /// while it is cut off, and where it cannot learn of every program's changes
    /// ([`sees_foreign_writes`](crate::Cached::sees_foreign_writes)): then it serves what may be outdated.
    pub is_certain: bool,
}
