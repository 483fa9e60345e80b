use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The failure of a loader: it returned an error or panicked. Callers that waited for the same load
/// share it.
///
/// For a load in another program only the message is known: [`is_remote`](Self::is_remote) returns
/// `true`, and [`downcast_ref`](Self::downcast_ref) finds no error of the loader's own type.
#[derive(Clone)]
pub struct LoadError(Arc<dyn StdError + Send + Sync>);

impl LoadError {
    pub(crate) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    pub(crate) fn panicked() -> Self {
        Self::new(Panicked)
    }

    pub(crate) fn recursive() -> Self {
        Self::new(Recursive)
    }

    /// The loader's own error, if it is an `X`.
    pub fn downcast_ref<X: StdError + 'static>(&self) -> Option<&X> {
        self.0.downcast_ref()
    }

    /// Returns whether the loader panicked.
    pub fn is_panic(&self) -> bool {
        self.0.is::<Panicked>() || self.remote().is_some_and(|remote| remote.is_panic)
    }

    /// Returns whether the loader, or one that it called, asked for the value that it was loading.
    pub fn is_recursive(&self) -> bool {
        self.0.is::<Recursive>()
    }

    /// Returns whether the loader failed in another program, so that only its message is known.
    pub fn is_remote(&self) -> bool {
        self.remote().is_some()
    }

    fn remote(&self) -> Option<&Remote> {
        self.downcast_ref()
    }

    /// Returns about how many bytes of memory it takes, as far as its message shows.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.0) + self.to_string().len()
    }

    /// Encodes the error for another program: the kind, and a message of bounded length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut message = self.to_string();
        while message.len() > LONGEST_MESSAGE {
            message.pop();
        }
        [if self.is_panic() { PANIC } else { ERROR }, message.as_bytes()].concat()
    }

    /// Decodes an error of another program.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let is_panic = bytes.starts_with(PANIC);
        let message = bytes.strip_prefix(if is_panic { PANIC } else { ERROR }).unwrap_or(bytes);
        let message = &message[..message.len().min(LONGEST_MESSAGE)];
        Self::new(Remote { message: String::from_utf8_lossy(message).into_owned(), is_panic })
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

/// The loader's error after a panic.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
struct Panicked;

/// The loader's error after a call of itself.
#[derive(Debug, thiserror::Error)]
#[error("the loader requested the value that it was loading")]
struct Recursive;

/// The message and kind of an error in another program.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Remote {
    message: String,
    is_panic: bool,
}

const ERROR: &[u8] = b"error:";
const PANIC: &[u8] = b"panic:";

/// In bytes, since each value that failed has a message of its own.
const LONGEST_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_travels_as_its_message() {
        let long = "ä".repeat(LONGEST_MESSAGE);
        let cut = "ä".repeat(LONGEST_MESSAGE / 2);
        for (error, message, is_panic) in [
            (LoadError::new("the source\nis down"), "the source\nis down", false),
            (LoadError::new(""), "", false),
            (LoadError::new("panic:"), "panic:", false),
            (LoadError::panicked(), "it panicked", true),
            (LoadError::new(long), &cut, false),
        ] {
            assert!(!error.is_remote(), "{message}");
            let mut found = error;
            // Twice, since an error may pass from one program to the next.
            for _ in 0..2 {
                assert_eq!(found.is_panic(), is_panic, "{message}");
                found = LoadError::from_bytes(&found.to_bytes());
                assert!(found.is_remote(), "{message}");
                assert_eq!(found.to_string(), message);
            }
        }
        assert_eq!(LoadError::from_bytes(b"\xff").to_string(), "\u{fffd}");
    }
}
