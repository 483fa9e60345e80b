//! Functions of the dispatcher's program that are called for its keywords.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::value::Value;
use crate::error::LoadError;
use crate::handler_result::{self, HandlerResult};

/// A new value of a keyword.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The name of the keyword.
    pub keyword: String,
    /// The previous value, if there was one.
    pub before: Option<Value>,
    /// The new value.
    pub value: Value,
    /// When it was set, by the server's clock.
    pub at: SystemTime,
}

/// The functions of a keyword.
pub(crate) struct Hooks<E> {
    pub(super) check: Option<Arc<Check>>,
    pub(super) translate: Option<Arc<Translate>>,
    pub(super) write: Option<Arc<Write>>,
    pub(super) read: Option<Arc<Read>>,
    pub(super) changed: Option<Arc<Changed>>,
    executor: PhantomData<fn() -> E>,
}

type Check = dyn Fn(&Value) -> Result<(), String> + Send + Sync;
type Translate = dyn Fn(Value) -> Result<Value, String> + Send + Sync;
type Write = dyn Fn(Value) -> Running<()> + Send + Sync;
type Read = dyn Fn() -> Running<Value> + Send + Sync;
type Changed = dyn Fn(&Change) + Send + Sync;

/// A running function. Its panics are errors.
pub(crate) type Running<T> = Pin<Box<dyn Future<Output = Result<T, LoadError>> + Send>>;

impl<E> Hooks<E> {
    /// Returns whether none of them is called for a client's write.
    pub(crate) fn is_idle(&self) -> bool {
        let Self { check, translate, write, changed, .. } = self;
        check.is_none() && translate.is_none() && write.is_none() && changed.is_none()
    }

    /// Sets the write hook. Its panics become errors.
    pub(crate) fn set_write<R: HandlerResult<(), E>>(
        &mut self,
        write: impl Fn(Value) -> R + Send + Sync + 'static,
    ) {
        let write = Arc::new(write);
        self.write = Some(Arc::new(move |value| {
            let write = write.clone();
            Box::pin(handler_result::contained(async move { write(value).answer().await }))
        }));
    }

    /// Sets the read hook. Its panics become errors.
    pub(crate) fn set_read<R: HandlerResult<Value, E>>(
        &mut self,
        read: impl Fn() -> R + Send + Sync + 'static,
    ) {
        let read = Arc::new(read);
        self.read = Some(Arc::new(move || {
            let read = read.clone();
            Box::pin(handler_result::contained(async move { read().answer().await }))
        }));
    }
}

impl<E> Default for Hooks<E> {
    fn default() -> Self {
        let (check, translate, write, read, changed) = Default::default();
        Self { check, translate, write, read, changed, executor: PhantomData }
    }
}
