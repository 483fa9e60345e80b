/// The reason why an operation on a keyword or its dispatcher failed, other than a failed
/// connection, an error of the server or an invalid argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeywordError {
    /// The dispatcher refused a value, its hook failed, or a keyword cannot be read. The value was
    /// not taken, though a hook that failed may have had effects.
    #[error("refused: {reason}")]
    #[non_exhaustive]
    Refused {
        /// The reason given by the dispatcher.
        reason: String,
    },
    /// The dispatcher ended while a hook was writing the value. The effects of the hook stay, and
    /// it may still be running.
    #[error("the dispatcher ended before it was done, and its hook may still have effects")]
    Abandoned,
    /// There is no such keyword.
    #[error("there is no such keyword")]
    UnknownKeyword,
    /// No dispatcher serves the keyword. Nothing was applied.
    #[error("no dispatcher serves it")]
    NotServed,
    /// Another live dispatcher serves the service. Nothing was applied.
    #[error("another dispatcher serves it, or has not given the name back (`serve_within` waits)")]
    AlreadyServed,
}
