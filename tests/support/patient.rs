//! Hooks that wait, without keeping a thread of a runtime.

use super::kinds::{Kind, SourceDown};
use super::servers::PATIENCE;
use super::within;
use redis_collections::{AsyncClient, Client, HandlerResult};
use std::pin::Pin;
use std::time::Duration;

/// Clients whose hooks may wait for something.
pub(crate) trait Patient: Kind {
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
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        })
    }
}
