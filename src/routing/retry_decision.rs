//! Decides after each round trip whether to retry, and where. Calls retry on clusters and with
//! Sentinels, waits also on a single server.

use redis::Value;

use crate::connection::{TransportError, TransportResult};
use crate::error::code::{Remedy, is_transient, remedy};
use crate::error::obstacle::Obstacle;
use crate::reply::code_and_details;

/// The step that follows a round trip.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RetryDecision {
    /// Return the outcome as it is.
    Done,
    /// Ask the server at this address, which owns the slot now.
    Moved(String),
    /// Ask the server at this address for this request only: it is importing the slot.
    Ask(String),
    /// Retry a little later, when another server may have taken over. Nothing was applied.
    Backoff,
}

/// The effect of repeating a wait whose reply was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// Must not be repeated: the caller (a queue consumer) finds out itself whether an item was
    /// taken, and a repetition would hide that. It also handles `OOM`, `BUSY` and `MISCONF` itself.
    ByCaller,
    /// It takes an item, so a possible loss must be reported.
    Takes,
    /// It moves an item, which is never lost.
    Moves,
}

impl RetryDecision {
    /// Decides on one reply. A refused command was not applied, so it may be sent again.
    pub(crate) fn on(reply: &Value) -> Self {
        let Value::ServerError(error) = reply else { return RetryDecision::Done };
        let (code, details) = code_and_details(error);
        match (code, details.split(' ').nth(1)) {
            ("MOVED", Some(address)) => RetryDecision::Moved(address.to_owned()),
            ("ASK", Some(address)) => RetryDecision::Ask(address.to_owned()),
            (code, _) if remedy(code) == Remedy::AnotherServer => RetryDecision::Backoff,
            _ => RetryDecision::Done,
        }
    }

    /// Decides on a transaction, whose first command is `MULTI`: commands that were not queued were
    /// not applied. If `MULTI` itself failed, the others may have been applied one by one.
    pub(crate) fn on_transaction(replies: &[Value]) -> Self {
        match replies {
            [Value::ServerError(_), ..] => RetryDecision::Done,
            replies => replies.iter().map(Self::on).fold(RetryDecision::Done, Self::or),
        }
    }

    /// The decision that waits longer; the first of two redirects.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (RetryDecision::Backoff, _) | (_, RetryDecision::Backoff) => RetryDecision::Backoff,
            (RetryDecision::Done, other) => other,
            (one, _) => one,
        }
    }

    /// Decides on a round trip without a reply. Its commands are sent again only if they are
    /// `repeatable`.
    pub(crate) fn without_reply(fault: &TransportError, repeatable: bool) -> Self {
        match fault {
            TransportError::Connect { .. } if fault.obstacle() > Obstacle::Passing => {
                RetryDecision::Done
            }
            TransportError::Connect { .. } => RetryDecision::Backoff,
            TransportError::Broken(error) if repeatable && !error.is_timeout() => {
                RetryDecision::Backoff
            }
            TransportError::Broken(_)
            | TransportError::CutOff(_)
            | TransportError::Exhausted { .. } => RetryDecision::Done,
        }
    }

    /// Decides on a wait. It continues after everything that cannot have taken an item: without a
    /// connection, after transient refusals, and when a connection ends, since a server sends an
    /// item that it took before it closes. A reply that is cut off has an item, and a silent server may have
    /// taken one, unless it `is_replaced`: then another server has the list.
    pub(crate) fn on_wait(
        outcome: &TransportResult<Value>,
        repetition: Repetition,
        is_replaced: bool,
    ) -> Self {
        let goes_on = match outcome {
            Ok(reply) => match (Self::on(reply), reply) {
                (RetryDecision::Done, Value::ServerError(error)) => {
                    is_transient(code_and_details(error).0) && repetition != Repetition::ByCaller
                }
                (decision, _) => return decision,
            },
            Err(fault @ TransportError::Connect { .. }) => fault.obstacle() < Obstacle::Refusal,
            Err(TransportError::Exhausted { .. }) => true,
            Err(TransportError::Broken(_) | TransportError::CutOff(_))
                if repetition == Repetition::ByCaller =>
            {
                false
            }
            Err(TransportError::CutOff(_)) => repetition == Repetition::Moves,
            Err(TransportError::Broken(error)) => {
                !error.is_timeout() || repetition == Repetition::Moves || is_replaced
            }
        };
        if goes_on { RetryDecision::Backoff } else { RetryDecision::Done }
    }

    /// The same decision, where `asked` is the address of the server that answered. A server that
    /// does not know its own host, or may not reveal it, redirects to a port of the host that was
    /// asked.
    pub(crate) fn completed(self, asked: &str) -> Self {
        let complete = |address: String| match (address.rsplit_once(':'), asked.rsplit_once(':')) {
            (Some(("" | "?", port)), Some((host, _))) => format!("{host}:{port}"),
            _ => address,
        };
        match self {
            RetryDecision::Moved(address) => RetryDecision::Moved(complete(address)),
            RetryDecision::Ask(address) => RetryDecision::Ask(complete(address)),
            decision => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_determines_where_or_when_to_retry() {
        for (refusal, decision) in [
            ("-MOVED 3999 127.0.0.1:6381\r\n", RetryDecision::Moved("127.0.0.1:6381".into())),
            ("-ASK 3999 ::1:6381\r\n", RetryDecision::Ask("::1:6381".into())),
            (
                "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
                RetryDecision::Backoff,
            ),
            ("-CLUSTERDOWN The cluster is down\r\n", RetryDecision::Backoff),
            ("-LOADING\r\n", RetryDecision::Backoff),
            ("-MASTERDOWN Link with MASTER is down\r\n", RetryDecision::Backoff),
            ("-READONLY You can't write against a read only replica.\r\n", RetryDecision::Backoff),
            (
                "-ERR Error running script (call to f_1): @user_script: 1: -READONLY\r\n",
                RetryDecision::Backoff,
            ),
            ("-NOREPLICAS Not enough good replicas to write.\r\n", RetryDecision::Backoff),
            ("-WRONGTYPE Operation against a key\r\n", RetryDecision::Done),
            ("-MOVED\r\n", RetryDecision::Done),
            ("+OK\r\n", RetryDecision::Done),
        ] {
            let reply = redis::parse_redis_value(refusal.as_bytes()).unwrap();
            assert_eq!(RetryDecision::on(&reply), decision, "{refusal}");
        }
    }

    #[test]
    fn a_redirection_without_a_host_leads_to_the_host_that_was_asked() {
        for (asked, address, expected) in [
            ("10.0.0.1:6379", ":6381", "10.0.0.1:6381"),
            ("10.0.0.1:6379", "?:6381", "10.0.0.1:6381"),
            ("::1:6379", ":6381", "::1:6381"),
            ("::1:6379", "?:6381", "::1:6381"),
            ("::1:6379", "::2:6381", "::2:6381"),
            ("10.0.0.1:6379", "node.example:6381", "node.example:6381"),
        ] {
            let parse = |code: &str| {
                let reply = format!("-{code} 3999 {address}\r\n");
                RetryDecision::on(&redis::parse_redis_value(reply.as_bytes()).unwrap())
                    .completed(asked)
            };
            assert_eq!(parse("MOVED"), RetryDecision::Moved(expected.into()), "{address}");
            assert_eq!(parse("ASK"), RetryDecision::Ask(expected.into()), "{address}");
        }
    }

    fn broken(kind: std::io::ErrorKind) -> TransportError {
        TransportError::Broken(std::io::Error::from(kind).into())
    }

    #[test]
    fn a_wait_continues_after_faults_that_cannot_have_taken_an_item() {
        use Repetition::{ByCaller, Moves, Takes};
        let reply = |text: &str| Ok(redis::parse_redis_value(text.as_bytes()).unwrap());
        let unconnected =
            |text: &'static str| Err(TransportError::connect("x", std::io::Error::other(text)));
        let refused: redis::RedisError = (redis::ErrorKind::AuthenticationFailed, "no").into();
        let lost = || Err(broken(std::io::ErrorKind::BrokenPipe));
        let silent = || Err(broken(std::io::ErrorKind::TimedOut));
        let cut_off = || {
            Err(TransportError::CutOff(
                std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
            ))
        };
        let (all, on, over) =
            ([ByCaller, Takes, Moves], RetryDecision::Backoff, RetryDecision::Done);
        let moved = RetryDecision::Moved("a:1".into());
        let cases: Vec<(TransportResult<Value>, [RetryDecision; 3])> = vec![
            (reply("-READONLY x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-NOREPLICAS x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-LOADING x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-UNBLOCKED x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-TRYAGAIN x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-CLUSTERDOWN x\r\n"), [on.clone(), on.clone(), on.clone()]),
            (reply("-MISCONF x\r\n"), [over.clone(), on.clone(), on.clone()]),
            (reply("-OOM x\r\n"), [over.clone(), on.clone(), on.clone()]),
            (reply("-BUSY x\r\n"), [over.clone(), on.clone(), on.clone()]),
            (reply("-WRONGTYPE x\r\n"), [over.clone(), over.clone(), over.clone()]),
            (reply("-NOPERM x\r\n"), [over.clone(), over.clone(), over.clone()]),
            (reply("-MOVED 1 a:1\r\n"), [moved.clone(), moved.clone(), moved]),
            (reply("$1\r\nx\r\n"), [over.clone(), over.clone(), over.clone()]),
            (unconnected("down"), [on.clone(), on.clone(), on.clone()]),
            (
                unconnected("failed to lookup address information: Name or service not known"),
                [on.clone(), on.clone(), on.clone()],
            ),
            (
                Err(TransportError::connect("x", refused)),
                [over.clone(), over.clone(), over.clone()],
            ),
            (lost(), [over.clone(), on.clone(), on.clone()]),
            (silent(), [over.clone(), over.clone(), on.clone()]),
            (cut_off(), [over.clone(), over.clone(), on.clone()]),
        ];
        for (outcome, expected) in &cases {
            let decisions =
                all.map(|repetition| RetryDecision::on_wait(outcome, repetition, false));
            assert_eq!(decisions, *expected, "{outcome:?}");
        }
        let replaced = all.map(|repetition| RetryDecision::on_wait(&silent(), repetition, true));
        assert_eq!(replaced, [over, on.clone(), on], "another server has the list");
    }

    #[test]
    fn a_write_that_may_have_been_applied_is_not_repeated() {
        let (lost, silent) =
            (broken(std::io::ErrorKind::BrokenPipe), broken(std::io::ErrorKind::TimedOut));
        let down = TransportError::connect("x", std::fmt::Error);
        let refused: redis::RedisError = (redis::ErrorKind::AuthenticationFailed, "no").into();
        let refused = TransportError::connect("x", refused);
        for (fault, repeatable, decision) in [
            (&lost, true, RetryDecision::Backoff),
            (&lost, false, RetryDecision::Done),
            (&silent, true, RetryDecision::Done),
            (&down, false, RetryDecision::Backoff),
            (&refused, true, RetryDecision::Done),
        ] {
            assert_eq!(RetryDecision::without_reply(fault, repeatable), decision, "{fault:?}");
        }
    }
}
