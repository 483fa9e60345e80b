//! What the outcome of a round trip means for the next one, where there is more than one server.

use redis::Value;

use crate::connection::{Fault, Outcome};
use crate::error::code::{Remedy, is_transient, remedy};
use crate::error::obstacle::Obstacle;
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

/// What repeating a wait does whose reply was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// It hides what the server took meanwhile from a caller who finds that out, and who bears what
    /// the server is short of.
    Hides,
    /// It takes an item; so the one that may be lost has to be reported.
    Takes,
    /// It moves an item, which is lost in no case.
    Moves,
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
            Fault::Connect { .. } if fault.obstacle() > Obstacle::Passing => Verdict::Final,
            Fault::Connect { .. } => Verdict::Later,
            Fault::Broken(error) if repeatable && !error.is_timeout() => Verdict::Later,
            Fault::Broken(_) | Fault::CutOff(_) | Fault::Exhausted { .. } => Verdict::Final,
        }
    }

    /// On a wait. It goes on after whatever cannot have taken an item: without a connection, after
    /// refusals that pass, and when a connection ends, since a server sends what it took before it
    /// closes. A reply that is cut off has an item, and a server that is silent may have taken one,
    /// unless it `is_replaced`: then another one has the list.
    pub(crate) fn on_wait(
        outcome: &Outcome<Value>,
        repetition: Repetition,
        is_replaced: bool,
    ) -> Self {
        let goes_on = match outcome {
            Ok(reply) => match (Self::on(reply), reply) {
                (Verdict::Final, Value::ServerError(error)) => {
                    is_transient(code_and_details(error).0) && repetition != Repetition::Hides
                }
                (verdict, _) => return verdict,
            },
            Err(fault @ Fault::Connect { .. }) => fault.obstacle() < Obstacle::Refusal,
            Err(Fault::Exhausted { .. }) => true,
            Err(Fault::Broken(_) | Fault::CutOff(_)) if repetition == Repetition::Hides => false,
            Err(Fault::CutOff(_)) => repetition == Repetition::Moves,
            Err(Fault::Broken(error)) => {
                !error.is_timeout() || repetition == Repetition::Moves || is_replaced
            }
        };
        if goes_on { Verdict::Later } else { Verdict::Final }
    }

    /// The same, where `asked` is the address of the server that answered. A server that does not
    /// know its own host, or may not tell it, sends to a port of the host that was asked.
    pub(crate) fn completed(self, asked: &str) -> Self {
        let complete = |address: String| match (address.rsplit_once(':'), asked.rsplit_once(':')) {
            (Some(("" | "?", port)), Some((host, _))) => format!("{host}:{port}"),
            _ => address,
        };
        match self {
            Verdict::Moved(address) => Verdict::Moved(complete(address)),
            Verdict::Ask(address) => Verdict::Ask(complete(address)),
            verdict => verdict,
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
                Verdict::on(&redis::parse_redis_value(reply.as_bytes()).unwrap()).completed(asked)
            };
            assert_eq!(parse("MOVED"), Verdict::Moved(expected.into()), "{address}");
            assert_eq!(parse("ASK"), Verdict::Ask(expected.into()), "{address}");
        }
    }

    fn broken(kind: std::io::ErrorKind) -> Fault {
        Fault::Broken(std::io::Error::from(kind).into())
    }

    #[test]
    fn a_wait_goes_on_after_what_cannot_have_taken_an_item() {
        use Repetition::{Hides, Moves, Takes};
        let reply = |text: &str| Ok(redis::parse_redis_value(text.as_bytes()).unwrap());
        let unconnected =
            |text: &'static str| Err(Fault::connect("x", std::io::Error::other(text)));
        let refused: redis::RedisError = (redis::ErrorKind::AuthenticationFailed, "no").into();
        let lost = || Err(broken(std::io::ErrorKind::BrokenPipe));
        let silent = || Err(broken(std::io::ErrorKind::TimedOut));
        let cut_off =
            || Err(Fault::CutOff(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()));
        let (all, on, over) = ([Hides, Takes, Moves], Verdict::Later, Verdict::Final);
        let moved = Verdict::Moved("a:1".into());
        let cases: Vec<(Outcome<Value>, [Verdict; 3])> = vec![
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
            (Err(Fault::connect("x", refused)), [over.clone(), over.clone(), over.clone()]),
            (lost(), [over.clone(), on.clone(), on.clone()]),
            (silent(), [over.clone(), over.clone(), on.clone()]),
            (cut_off(), [over.clone(), over.clone(), on.clone()]),
        ];
        for (outcome, expected) in &cases {
            let verdicts = all.map(|repetition| Verdict::on_wait(outcome, repetition, false));
            assert_eq!(verdicts, *expected, "{outcome:?}");
        }
        let replaced = all.map(|repetition| Verdict::on_wait(&silent(), repetition, true));
        assert_eq!(replaced, [over, on.clone(), on], "another server has the list");
    }

    #[test]
    fn what_may_have_been_applied_is_not_sent_again() {
        let (lost, silent) =
            (broken(std::io::ErrorKind::BrokenPipe), broken(std::io::ErrorKind::TimedOut));
        let down = Fault::connect("x", std::fmt::Error);
        let refused: redis::RedisError = (redis::ErrorKind::AuthenticationFailed, "no").into();
        let refused = Fault::connect("x", refused);
        for (fault, repeatable, verdict) in [
            (&lost, true, Verdict::Later),
            (&lost, false, Verdict::Final),
            (&silent, true, Verdict::Final),
            (&down, false, Verdict::Later),
            (&refused, true, Verdict::Final),
        ] {
            assert_eq!(Verdict::without_reply(fault, repeatable), verdict, "{fault:?}");
        }
    }
}
