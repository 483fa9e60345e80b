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
    /// Whether the cache is sure of what it holds, so that it answers.
    pub is_certain: bool,
}
