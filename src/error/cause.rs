//! What messages say of the cause of an error, and which sources they leave to be printed.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::iter;
use std::sync::Arc;

use redis::{RedisError, ServerError};

use super::Error;
use super::obstacle::LOOKUP;

/// The reason that a cause is: in words of this crate for an error of the operating system or a
/// refusal of the server, which remains a source, or else the cause's own.
pub(crate) struct Reason<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = unwrapped(self.0);
        match words(cause) {
            Some(words) => f.write_str(&words),
            None => fmt::Display::fmt(cause, f),
        }
    }
}

/// The first source of an error whose message has the [`Reason`] of `error`.
pub(super) fn cause<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a (dyn StdError + 'static)> {
    let cause = unwrapped(error);
    let repeats = |words: &Cow<'static, str>| words.contains(&cause.to_string());
    match words(cause) {
        Some(words) if !repeats(&words) => Some(cause),
        Some(_) | None => beneath(cause),
    }
}

/// The first source of `error` that its own message does not repeat.
pub(super) fn beneath<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a (dyn StdError + 'static)> {
    let shown = error.to_string();
    sources(error).find(|source| !shown.contains(&source.to_string()))
}

/// The message of a user's error. One that is boxed, or of this crate, or an `io::Error` is followed
/// by its sources; of others only `Display` is known, which prints them if it is that of `anyhow`.
pub(crate) fn reason(error: &(impl fmt::Display + 'static)) -> String {
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        with_sources(&**error)
    } else if let Some(error) = any.downcast_ref::<Box<dyn StdError>>() {
        with_sources(&**error)
    } else if let Some(error) = any.downcast_ref::<Error>() {
        with_sources(error)
    } else if let Some(error) = any.downcast_ref::<io::Error>() {
        with_sources(error)
    } else {
        format!("{error:#}")
    }
}

/// The messages of an error and the reasons that its sources are, `a: b: c`, without what is
/// repeated.
fn with_sources(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for source in sources(error).take(MAX_SOURCES) {
        let source = Reason(source).to_string();
        if !text.contains(&source) {
            text = format!("{text}: {source}");
        }
    }
    text
}

fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(error.source().map(unwrapped), |&error| error.source().map(unwrapped))
}

/// The error within what only wraps it and has its message.
fn unwrapped<'a>(mut error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    loop {
        error = if let Some(shared) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
            &**shared
        } else if let Some(shared) = error.downcast_ref::<Arc<io::Error>>() {
            &**shared
        } else if let Some(source) = error.downcast_ref().and_then(RedisError::source) {
            source
        } else {
            return error;
        }
    }
}

/// The words for an error of the operating system, or a refusal of the server.
fn words(error: &(dyn StdError + 'static)) -> Option<Cow<'static, str>> {
    if let Some(refusal) = error.downcast_ref::<ServerError>() {
        return of_refusal(refusal.code(), refusal.details().unwrap_or_default());
    }
    let error = error.downcast_ref::<io::Error>()?;
    if error.get_ref().is_some() && error.kind() == ErrorKind::ConnectionRefused {
        // The server answered a new connection so, before any command.
        let text = error.to_string();
        let (code, details) = text.split_once(": ")?.1.split_once(' ')?;
        return of_refusal(code, details);
    }
    of_system(error).map(Cow::Borrowed)
}

/// The words for a refusal of the server, unless only its own explain it.
fn of_refusal(code: &str, details: &str) -> Option<Cow<'static, str>> {
    match code {
        "ERR" => details.contains(NO_ROOM).then_some("it has its max number of clients".into()),
        code => Some(format!("the server refuses with {code}").into()),
    }
}

/// The words for an error of the operating system.
fn of_system(error: &io::Error) -> Option<&'static str> {
    if error.get_ref().is_some() && error.kind() == ErrorKind::TimedOut {
        return Some(TIMED_OUT);
    }
    if error.get_ref().is_some() {
        return error.to_string().starts_with(LOOKUP).then_some("its name cannot be resolved");
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::NotFound => "there is no such socket",
        ErrorKind::PermissionDenied => "access to it is not permitted",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no route leads there",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => TIMED_OUT,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "the other side has ended it",
        _ => return None,
    })
}

const TIMED_OUT: &str = "it timed out";

/// Part of the refusal of a server that has as many clients as it may have.
const NO_ROOM: &str = "max number of clients";

/// A chain of sources may be a cycle.
const MAX_SOURCES: usize = 32;
