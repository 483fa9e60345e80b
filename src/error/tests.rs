//! Tests of the messages of errors, and of the conclusions that a caller may draw.

use std::error::Error as StdError;
use std::io;
use std::iter;
use std::num::ParseIntError;

use super::*;

fn attempt(command: &'static str, writes: bool) -> Box<Attempt> {
    let key = Some(b"a key\n".to_vec());
    Box::new(Attempt { command, key, field: None, writes, in_part: false, halfway: false })
}

fn lost(writes: bool) -> Error {
    Error::ConnectionLost { attempt: attempt("X", writes), source: "reset".into() }
}

fn refused() -> Error {
    let (code, message) = ("OOM".into(), "no memory".into());
    Error::Server { attempt: attempt("SET", true), code, message }
}

fn unexpected(command: &'static str, writes: bool) -> Error {
    let attempt = attempt(command, writes);
    Error::UnexpectedReply { attempt, expected: "OK", found: "a status" }
}

#[test]
fn an_error_knows_whether_the_command_was_applied() {
    for (error, applied) in [
        (lost(false), Applied::No),
        (lost(true), Applied::Perhaps),
        (Error::Timeout { attempt: attempt("SET", true) }, Applied::Perhaps),
        (Error::Timeout { attempt: attempt("GET", false) }, Applied::No),
        (refused(), Applied::No),
        (refused().in_part(), Applied::Yes),
        (unexpected("SET", true), Applied::Perhaps),
        (unexpected("GET", false), Applied::No),
        (Error::Configuration("x".into()), Applied::No),
    ] {
        assert_eq!(error.applied(), applied, "{error}");
    }
}

#[test]
fn an_error_names_the_command_and_the_key_escaped() {
    assert_eq!(refused().to_string(), r#"SET "a key\n": the server says OOM no memory"#);
}

#[cfg(feature = "keyword")]
#[test]
fn a_keyword_error_has_its_reason_and_whether_it_was_applied() {
    let no = [
        (KeywordError::Refused { reason: "too hot".into() }, "refused: too hot"),
        (KeywordError::UnknownKeyword, "there is no such keyword"),
        (KeywordError::NotServed, "no dispatcher serves it"),
        (
            KeywordError::AlreadyServed,
            "another dispatcher serves it, or has not given the name back (`serve_within` waits)",
        ),
    ];
    let perhaps = [(
        KeywordError::Abandoned,
        "the dispatcher ended before it was done, and its hook may still have effects",
    )];
    let no = no.into_iter().map(|it| (it, Applied::No));
    for ((source, message), applied) in no.chain(perhaps.map(|it| (it, Applied::Perhaps))) {
        let error = Error::Keyword { attempt: attempt("write", true), source: source.clone() };
        assert_eq!(error.to_string(), format!(r#"write "a key\n": {message}"#));
        assert_eq!((error.applied(), error.keyword_error()), (applied, Some(&source)));
        let read = Error::Keyword { attempt: attempt("read", false), source };
        assert_eq!(read.applied(), Applied::No);
    }
}

#[test]
fn the_source_of_a_codec_error_is_among_the_sources_of_the_error() {
    let parsed = || "x".parse::<u8>().map_err(CodecError::from_source).unwrap_err();
    let undecodable = Undecodable::new::<u8>(b"x".to_vec(), parsed());
    for error in [
        Error::Encode { attempt: attempt("SET", true), source: parsed() },
        Error::Decode { attempt: attempt("GET", false), source: undecodable },
    ] {
        let mut sources = iter::successors(error.source(), |&error| error.source());
        assert!(sources.any(|source| source.is::<ParseIntError>()), "{error}");
    }
}

/// An error reply, as the driver returns it.
fn refusal(reply: &str) -> redis::RedisError {
    match redis::parse_redis_value(reply.as_bytes()) {
        Ok(redis::Value::ServerError(error)) => error.into(),
        other => panic!("{other:?}"),
    }
}

/// The messages of an error and of all its sources.
fn printed(error: &Error) -> Vec<String> {
    let sources = iter::successors(error.source(), |&error| error.source());
    iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect()
}

#[test]
fn the_sources_of_an_error_go_on_with_the_first_that_its_message_does_not_repeat() {
    let connect =
        |source: Box<dyn StdError + Send + Sync>| Error::Connect { address: "x:1".into(), source };
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let within = |error: Error| Error::ConnectionLost {
        attempt: attempt("X", true),
        source: Box::new(Arc::new(error) as Arc<dyn StdError + Send + Sync>),
    };
    let words = "cannot connect to x:1: the connection was refused";
    let text = refused().to_string();
    let by_driver = redis::RedisError::from(refused());
    let load = |error: CodecError| Error::Load {
        attempt: attempt("load", false),
        source: LoadError::new(error),
    };
    let parsed = || "x".parse::<u8>().unwrap_err();
    let number = parsed().to_string();
    let loaded = r#"load "a key\n": the loader failed: "#;
    for (error, expected) in [
        (connect(refused().into()), vec![words.to_owned(), text.clone()]),
        (connect(by_driver.into()), vec![words.to_owned(), text.clone()]),
        (
            within(connect(refused().into())),
            vec![format!(r#"X "a key\n": the connection was lost: {words}"#), text],
        ),
        (connect("a text".into()), vec!["cannot connect to x:1: a text".to_owned()]),
        (
            load(CodecError::new("not an age").with_source(parsed())),
            vec![format!("{loaded}not an age"), number.clone()],
        ),
        (
            load(CodecError::new(number.clone()).with_source(parsed())),
            vec![format!("{loaded}{number}")],
        ),
        (
            Error::Load { attempt: attempt("load", false), source: LoadError::panicked() },
            vec![r#"load "a key\n": the loader panicked"#.into(), "it panicked".into()],
        ),
        (
            connect(refusal("-WRONGPASS invalid pair\r\n").into()),
            vec![
                "cannot connect to x:1: the server refuses with WRONGPASS".into(),
                "\"WRONGPASS\": invalid pair".into(),
            ],
        ),
        (
            connect(refusal("-ERR max number of clients reached\r\n").into()),
            vec![
                "cannot connect to x:1: it has its max number of clients".into(),
                "ResponseError: max number of clients reached".into(),
            ],
        ),
    ] {
        assert_eq!(printed(&error), expected);
    }
}

#[test]
fn errors_can_be_sent_between_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<Error>();
}
