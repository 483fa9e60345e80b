//! Errors of servers.

use super::rights;
use crate::error::Error;
use crate::error::code::{self, is_transient};
use crate::request::Request;

/// Converts a server's refusal. Only the reply to an unknown command repeats arguments, and is left
/// out.
pub(crate) fn server_error(request: &Request, error: &redis::ServerError) -> Error {
    let (code, details) = code_and_details(error);
    let mut attempt = Box::new(request.attempt());
    attempt.halfway = request.has_steps() && is_raised(error) && !is_transient(code);
    let lower = details.to_ascii_lowercase();
    let is_unknown = code == "ERR" && UNKNOWN_COMMAND.iter().any(|start| lower.starts_with(start));
    if is_unknown && rights::is_about_the_needed(request, details) {
        return Error::Unsupported { attempt, needs: request.needed_servers() };
    }
    let mut message = without_script(details).to_owned();
    if matches!(code, "MOVED" | "ASK") {
        message.push_str(NODE_OF_A_CLUSTER);
    }
    if code == "NOPERM" || is_unknown {
        message.push_str(&rights::explanation(request, details));
    }
    Error::Server { attempt, code: code.to_owned(), message }
}

/// Returns whether, according to a reply, a new connection to the same address may reach another
/// server. A command with such a reply was not applied.
pub(crate) fn asks_to_reconnect(reply: &redis::Value) -> bool {
    match reply {
        redis::Value::ServerError(error) => code::asks_to_reconnect(code_and_details(error).0),
        _ => false,
    }
}

/// Returns whether the server closes the connection after this reply, since it does not accept what
/// it reads there.
pub(crate) fn ends_connection(reply: &redis::Value) -> bool {
    match reply {
        redis::Value::ServerError(error) => {
            error.details().is_some_and(|details| details.starts_with(PROTOCOL_ERROR))
        }
        _ => false,
    }
}

/// Returns whether a script ended with this error, rather than returned it or was never run.
fn is_raised(error: &redis::ServerError) -> bool {
    let details = error.details().unwrap_or_default();
    details.starts_with(RUNNING) || details.contains(RAISED_AT)
}

/// Removes the place in the script, which follows an error within a script from Redis 7 on.
fn without_script(details: &str) -> &str {
    match details.rsplit_once(" script: ") {
        Some((message, place)) if place.contains(RAISED_AT) => message,
        _ => details,
    }
}

/// Splits an error into its code and the rest. Before Redis 7 an error within a script stands
/// behind its place in the script.
pub(crate) fn code_and_details(error: &redis::ServerError) -> (&str, &str) {
    match without_place(error) {
        ("ERR", details) if REFUSED_RIGHTS.iter().any(|start| details.starts_with(start)) => {
            ("NOPERM", details)
        }
        ("ERR", details) if details.starts_with(UNAUTHENTICATED) => ("NOAUTH", details),
        known => known,
    }
}

/// Splits off the place in a script, which the error of an old server contains.
fn without_place(error: &redis::ServerError) -> (&str, &str) {
    let (code, details) = (error.code(), error.details().unwrap_or_default());
    let raised = match code {
        "ERR" => {
            details.strip_prefix(RUNNING).and_then(|details| Some(details.split_once("): ")?.1))
        }
        PLACE => after_line(details),
        _ => None,
    };
    let Some(mut raised) = raised else { return (code, details) };
    while let Some(rest) = raised.strip_prefix(PLACE).and_then(after_line) {
        raised = rest;
    }
    let raised = raised.strip_prefix('-').unwrap_or(raised);
    let is_code = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    match raised.split_once(' ').unwrap_or((raised, "")) {
        (code, details) if is_code(code) => (code, details),
        _ => ("ERR", raised),
    }
}

/// Returns the text after the number of a line.
fn after_line(text: &str) -> Option<&str> {
    let (line, rest) = text.trim_start().split_once(": ")?;
    line.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}

const RUNNING: &str = "Error running script (call to ";
const RAISED_AT: &str = "on @user_script:";
const PLACE: &str = "@user_script:";

/// The errors that a script gets if the user lacks a right.
const REFUSED_RIGHTS: [&str; 2] = ["The user executing the script can't", "ACL failure in script"];

const PROTOCOL_ERROR: &str = "Protocol error";

/// The error for a request that is too large for a client which has not authenticated.
const UNAUTHENTICATED: &str = "Protocol error: unauthenticated";

const NODE_OF_A_CLUSTER: &str = " (it is a node of a cluster: connect with `Client::cluster`)";

const UNKNOWN_COMMAND: [&str; 3] =
    ["unknown command", "unknown subcommand", "unknown redis command"];

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    #[test]
    fn an_error_within_a_script_is_the_same_before_redis_7() {
        let running = "-ERR Error running script (call to f_5480eab30df0): @user_script:1: ";
        for (within, expected) in [
            ("WRONGTYPE Operation against a key", "WRONGTYPE Operation against a key"),
            ("ERR value is not an integer", "ERR value is not an integer"),
            ("@user_script: 1: -READONLY You can't write", "READONLY You can't write"),
            ("@user_script: 242: -OOM command not allowed", "OOM command not allowed"),
            ("@user_script: 1: Unknown Redis command", "ERR Unknown Redis command"),
            ("user_script:1: boom", "ERR user_script:1: boom"),
            (
                "@user_script: 1: The user executing the script can't run this command",
                "NOPERM The user executing the script can't run this command",
            ),
        ] {
            assert_eq!(code_of(&format!("{running}{within}")), expected);
        }
        for (error, expected) in [
            ("-@user_script: 18: -OOM command not allowed", "OOM command not allowed"),
            ("-OOM command not allowed script: 86d8", "OOM command not allowed script: 86d8"),
            ("-ERR Error running script", "ERR Error running script"),
            ("-ERR ACL failure in script: no", "NOPERM ACL failure in script: no"),
            ("-LOADING", "LOADING "),
        ] {
            assert_eq!(code_of(error), expected);
        }
    }

    fn code_of(line: &str) -> String {
        match redis::parse_redis_value(format!("{line}\r\n").as_bytes()).unwrap() {
            Value::ServerError(error) => {
                let (code, details) = code_and_details(&error);
                format!("{code} {details}")
            }
            other => panic!("{other:?}"),
        }
    }
}
