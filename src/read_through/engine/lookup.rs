use std::sync::Arc;

use super::commands::Mode;
use crate::read_through::freshness::Age;

/// The result of a lookup, before any load.
pub(crate) enum Lookup<V> {
    Found(Option<Arc<V>>, Age),
    Missing(Mode),
    /// Redis is unavailable.
    Unavailable,
}
