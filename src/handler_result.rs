//! The return values of a user's functions.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::client::Client;
use crate::error::LoadError;

/// The return value of a user's function that `E` runs: a `Result` on a [`Client`], a future of one
/// on an `AsyncClient`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid return type for a handler on `{E}`",
    label = "not a valid return type",
    note = "on a `Client` it returns a `Result`, on an `AsyncClient` a future of a `Result`",
    note = "a loader: of a value, an `Option` of one, or a `Loaded`, with any error",
    note = "a function of a keyword: of its value where it reads it, or else of `()`, with any error"
)]
pub trait HandlerResult<T, E>: Send + 'static {
    /// Waits for the answer of the function, as a loader's result.
    #[doc(hidden)]
    fn answer(self) -> impl Future<Output = Result<T, LoadError>> + Send;
}

impl<T, U, X> HandlerResult<T, Client> for Result<U, X>
where
    U: Into<T> + Send + 'static,
    X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    async fn answer(self) -> Result<T, LoadError> {
        self.map(Into::into).map_err(LoadError::new)
    }
}

#[cfg(feature = "async")]
impl<T, U, X, F> HandlerResult<T, crate::client::AsyncClient> for F
where
    F: Future<Output = Result<U, X>> + Send + 'static,
    U: Into<T>,
    X: Into<Box<dyn StdError + Send + Sync>>,
{
    async fn answer(self) -> Result<T, LoadError> {
        self.await.map(Into::into).map_err(LoadError::new)
    }
}

/// The result of the function, with panics as errors.
pub(crate) async fn contained<T>(
    answer: impl Future<Output = Result<T, LoadError>>,
) -> Result<T, LoadError> {
    let mut answer = pin!(answer);
    poll_fn(move |context| {
        let poll = AssertUnwindSafe(|| answer.as_mut().poll(context));
        catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Err(LoadError::panicked())))
    })
    .await
}
