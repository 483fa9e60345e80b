//! Loaders: functions of the user that load values.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::LoadError;
use crate::handler_result::{HandlerResult, contained};

/// The result of a loader: a value or its absence, and how long that may be kept.
///
/// A loader may also return just a value, or an `Option` of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<V> {
    pub(crate) value: Option<V>,
    pub(crate) time_to_live: Option<Duration>,
}

impl<V> Loaded<V> {
    /// Creates the result for a value.
    pub fn new(value: V) -> Self {
        Self { value: Some(value), time_to_live: None }
    }

    /// Creates the result for the absence of a value.
    pub fn absent() -> Self {
        Self { value: None, time_to_live: None }
    }

    /// Keeps it for `time`, regardless of the policy. Zero is rejected when it is stored.
    pub fn with_ttl(self, time: Duration) -> Self {
        Self { time_to_live: Some(time), ..self }
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self { value, time_to_live: None }
    }
}

/// The error of a bulk loader that returned more or fewer values than ids.
#[derive(Debug, thiserror::Error)]
#[error("it gave {found} values for {asked} ids")]
struct WrongCount {
    asked: usize,
    found: usize,
}

/// The result of a bulk loader, with an entry for each id.
#[derive(Debug)]
pub struct LoadedMany<V>(Vec<Loaded<V>>);

impl<V, U: Into<Loaded<V>>> From<Vec<U>> for LoadedMany<V> {
    fn from(values: Vec<U>) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }
}

/// The loaders of a cache.
pub(crate) struct Loaders<I, V, A> {
    one: Load<I, A, Loaded<V>>,
    many: Option<Load<Vec<I>, A, LoadedMany<V>>>,
}

impl<I, V, A> Clone for Loaders<I, V, A> {
    fn clone(&self) -> Self {
        Self { one: self.one.clone(), many: self.many.clone() }
    }
}

/// A loader without the types of its function and its future.
type Load<I, A, T> = Arc<dyn Fn(I, A) -> Loading<T> + Send + Sync>;

/// A running loader.
type Loading<T> = Pin<Box<dyn Future<Output = Result<T, LoadError>> + Send>>;

impl<I: Send + 'static, V: 'static, A: Send + 'static> Loaders<I, V, A> {
    pub(crate) fn new<E, R: HandlerResult<Loaded<V>, E>>(
        load: impl Fn(I, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { one: erased(load), many: None }
    }

    pub(crate) fn with_bulk<E, R: HandlerResult<LoadedMany<V>, E>>(
        &self,
        load: impl Fn(Vec<I>, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { one: self.one.clone(), many: Some(erased(load)) }
    }

    pub(crate) fn has_bulk(&self) -> bool {
        self.many.is_some()
    }

    /// Loads one id, or several if there is a bulk loader. Returns as many values as ids.
    pub(crate) async fn load(&self, mut ids: Vec<I>, args: A) -> Result<Vec<Loaded<V>>, LoadError> {
        let asked = ids.len();
        let found = match &self.many {
            Some(many) if asked > 1 => contained(many(ids, args)).await?.0,
            _ => match ids.pop() {
                Some(id) => vec![contained((self.one)(id, args)).await?],
                None => Vec::new(),
            },
        };
        match found.len() {
            found if found != asked => Err(LoadError::new(WrongCount { asked, found })),
            _ => Ok(found),
        }
    }
}

/// Defers the call of the function to the first poll, so that its panics are contained there.
fn erased<I, A, T, E, R>(load: impl Fn(I, A) -> R + Send + Sync + 'static) -> Load<I, A, T>
where
    I: Send + 'static,
    A: Send + 'static,
    R: HandlerResult<T, E>,
{
    let load = Arc::new(load);
    Arc::new(move |id, args| {
        let load = load.clone();
        Box::pin(async move { load(id, args).answer().await })
    })
}
