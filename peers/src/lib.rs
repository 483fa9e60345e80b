//! Comparisons of redis-collections with other libraries: the benchmarks in `benches`.
