use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why a loader gave no value. Callers that waited for the same load share it.
#[derive(Clone)]
pub struct LoadError(Arc<dyn StdError + Send + Sync>);

impl LoadError {
    pub(crate) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    pub(crate) fn panicked() -> Self {
        Self::new(Panicked)
    }

    /// The loader's own error, if it is an `X`.
    pub fn downcast_ref<X: StdError + 'static>(&self) -> Option<&X> {
        self.0.downcast_ref()
    }

    /// Whether the loader panicked.
    pub fn is_panic(&self) -> bool {
        self.0.is::<Panicked>()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for LoadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
struct Panicked;
