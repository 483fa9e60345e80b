use std::sync::Arc;

use super::commands::Mode;
use crate::read_through::freshness::Age;

/// What is seen of a value before anybody loads it.
pub(crate) enum Lookup<V> {
    Found(Option<Arc<V>>, Age),
    Missing(Mode),
    /// Redis cannot be used.
    Unavailable,
}
