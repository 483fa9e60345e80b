//! What the outcome of a round trip means for the next one, where there is more than one server.

use redis::Value;

use super::fault::Fault;
use crate::error::code::{Remedy, remedy};
use crate::reply::code_and_details;

/// What to do after a round trip.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Take the outcome as it is.
    Final,
    /// Ask the server at this address, which has the slot now.
    Moved(String),
    /// Ask the server at this address this time: the slot is on its way there.
    Ask(String),
    /// Ask again a little later, when another server may have taken over. Nothing was applied.
    Later,
}

impl Verdict {
    /// On one reply. What the server refused was not applied, so that it may be sent again.
    pub(crate) fn on(reply: &Value) -> Self {
        let Value::ServerError(error) = reply else { return Verdict::Final };
        let (code, details) = code_and_details(error);
        match (code, details.split(' ').nth(1)) {
            ("MOVED", Some(address)) => Verdict::Moved(address.to_owned()),
            ("ASK", Some(address)) => Verdict::Ask(address.to_owned()),
            (code, _) if remedy(code) == Remedy::AnotherServer => Verdict::Later,
            _ => Verdict::Final,
        }
    }

    /// On a transaction, whose first command is `MULTI`: what was not queued was not applied. If
    /// `MULTI` itself failed, the others may have been applied one by one.
    pub(crate) fn on_transaction(replies: &[Value]) -> Self {
        match replies {
            [Value::ServerError(_), ..] => Verdict::Final,
            replies => replies.iter().map(Self::on).fold(Verdict::Final, Self::or),
        }
    }

    /// The one that asks for more patience; the first of two redirections.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Verdict::Later, _) | (_, Verdict::Later) => Verdict::Later,
            (Verdict::Final, other) => other,
            (one, _) => one,
        }
    }

    /// On a round trip without a reply. What was sent is sent again only if it is `repeatable`.
    pub(crate) fn without_reply(fault: &Fault, repeatable: bool) -> Self {
        match fault {
            Fault::Connect { .. } => Verdict::Later,
            Fault::Broken(error) if repeatable && !error.is_timeout() => Verdict::Later,
            Fault::Broken(_) | Fault::Exhausted { .. } => Verdict::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_where_or_when_to_ask_again() {
        for (refusal, verdict) in [
            ("-MOVED 3999 127.0.0.1:6381\r\n", Verdict::Moved("127.0.0.1:6381".into())),
            ("-ASK 3999 ::1:6381\r\n", Verdict::Ask("::1:6381".into())),
            ("-TRYAGAIN Multiple keys request during rehashing of slot\r\n", Verdict::Later),
            ("-CLUSTERDOWN The cluster is down\r\n", Verdict::Later),
            ("-LOADING\r\n", Verdict::Later),
            ("-MASTERDOWN Link with MASTER is down\r\n", Verdict::Later),
            ("-READONLY You can't write against a read only replica.\r\n", Verdict::Later),
            (
                "-ERR Error running script (call to f_1): @user_script: 1: -READONLY\r\n",
                Verdict::Later,
            ),
            ("-NOREPLICAS Not enough good replicas to write.\r\n", Verdict::Later),
            ("-WRONGTYPE Operation against a key\r\n", Verdict::Final),
            ("-MOVED\r\n", Verdict::Final),
            ("+OK\r\n", Verdict::Final),
        ] {
            let reply = redis::parse_redis_value(refusal.as_bytes()).unwrap();
            assert_eq!(Verdict::on(&reply), verdict, "{refusal}");
        }
    }

    #[test]
    fn what_may_have_been_applied_is_not_sent_again() {
        let broken = |kind| Fault::Broken(std::io::Error::from(kind).into());
        let (lost, silent) =
            (broken(std::io::ErrorKind::BrokenPipe), broken(std::io::ErrorKind::TimedOut));
        let refused = Fault::connect("x", std::fmt::Error);
        for (fault, repeatable, verdict) in [
            (&lost, true, Verdict::Later),
            (&lost, false, Verdict::Final),
            (&silent, true, Verdict::Final),
            (&refused, false, Verdict::Later),
        ] {
            assert_eq!(Verdict::without_reply(fault, repeatable), verdict, "{fault:?}");
        }
    }
}
