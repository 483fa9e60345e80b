use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The reason why a [`Codec`](super::Codec) could not write or read a value, and perhaps the error
/// behind it.
///
/// `Display` and `Debug` show the reason, which never contains the value, so that both can be
/// logged. They never show the message of the [source](Error::source), since a parser's message may
/// repeat its input. Reporters that print the sources of an error do show it. No codec of this
/// crate keeps a source that repeats a value.
///
/// ```
/// use std::error::Error;
/// use std::num::ParseIntError;
///
/// use redis_collections::CodecError;
///
/// let parsed = "41x".parse::<u8>().unwrap_err();
/// let error = CodecError::new("not an age").with_source(parsed);
/// assert_eq!(error.to_string(), "not an age");
/// assert!(error.source().is_some_and(|source| source.is::<ParseIntError>()));
/// ```
///
/// Errors with the same reason are equal, whatever their sources.
#[derive(Clone)]
pub struct CodecError {
    reason: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl CodecError {
    /// Creates an error with a reason, which must not contain the value.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None }
    }

    /// Creates an error from any other one, which becomes its source. The reason is only that the
    /// codec failed.
    pub fn from_source(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new("the codec failed").with_source(source)
    }

    /// The same error, with the error behind it.
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..self }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl PartialEq for CodecError {
    fn eq(&self, other: &Self) -> bool {
        self.reason == other.reason
    }
}

impl Eq for CodecError {}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;

    use super::*;

    #[test]
    fn any_error_becomes_a_source_that_no_message_shows() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read {0}")]
        struct OfParser(&'static str);

        let errors = [
            (CodecError::from_source(OfParser("s3cret")), "the codec failed"),
            (CodecError::new("not a card").with_source(OfParser("s3cret")), "not a card"),
        ];
        for (error, reason) in errors {
            assert_eq!(error.to_string(), reason);
            assert_eq!(format!("{error:?}"), format!("CodecError {{ reason: {reason:?}, .. }}"));
            let source = error.source().and_then(|source| source.downcast_ref());
            assert!(matches!(source, Some(OfParser("s3cret"))));
        }
        assert!(CodecError::from_source("a text").source().is_some());
        assert!(CodecError::new("not a card").source().is_none());
    }

    #[test]
    fn a_clone_shares_the_source() {
        let parsed = "x".parse::<u8>().map_err(CodecError::from_source);
        let error = parsed.unwrap_err().clone();
        assert!(error.source().is_some_and(|source| source.is::<ParseIntError>()));
    }
}
