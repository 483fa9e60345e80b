//! Hooks that wait, without keeping a thread of a runtime.

use super::kinds::{Kind, SourceDown};
use super::servers::PATIENCE;
use super::{within, within_in_task};
use redis_collections::{AsyncClient, Client, HandlerResult};
use std::pin::Pin;

/// Clients whose hooks may wait for something.
pub trait Patient: Kind {
    type Waiting: HandlerResult<(), Self>;

    fn wait_for(condition: impl Fn() -> bool + Send + 'static) -> Self::Waiting;
}

impl Patient for Client {
    type Waiting = std::result::Result<(), SourceDown>;

    fn wait_for(condition: impl Fn() -> bool + Send + 'static) -> Self::Waiting {
        within(PATIENCE, condition).then_some(()).ok_or(SourceDown)
    }
}

impl Patient for AsyncClient {
    type Waiting = Pin<Box<dyn Future<Output = std::result::Result<(), SourceDown>> + Send>>;

    fn wait_for(condition: impl Fn() -> bool + Send + 'static) -> Self::Waiting {
        Box::pin(async move {
            within_in_task(PATIENCE, condition).await.then_some(()).ok_or(SourceDown)
        })
    }
}
