//! The combination of the replies to the parts of a request.

use redis::Value;

use super::{PONG, server_error, unexpected, unexpected_count};
use crate::error::{Error, Result};
use crate::keys::Gather;
use crate::request::Request;

impl Request {
    /// Combines the replies to the parts, each of which has the items with these indices.
    pub(crate) fn gathered(
        &self,
        gather: Gather,
        parts: impl IntoIterator<Item = (Vec<usize>, Result<Value>)>,
    ) -> Result<Value> {
        let mut elements = vec![Value::Nil; self.item_count()];
        let mut sum = 0_i64;
        let mut done = false;
        let mut failed: Option<Error> = None;
        let mut fail = |error| {
            if !failed.as_ref().is_some_and(Error::may_have_been_applied) {
                failed = Some(error);
            }
        };
        for (items, reply) in parts {
            match (gather, reply) {
                (_, Ok(Value::ServerError(error))) => fail(server_error(self, &error)),
                (_, Err(error)) => fail(error),
                (Gather::InOrder, Ok(Value::Array(values))) if values.len() == items.len() => {
                    items.into_iter().zip(values).for_each(|(item, value)| elements[item] = value);
                }
                (Gather::Sum, Ok(Value::Int(count @ 0..))) => {
                    (sum, done) = (sum.saturating_add(count), true);
                }
                (Gather::Last, Ok(Value::Int(count @ 0..))) => (sum, done) = (count, true),
                (Gather::Done, Ok(Value::Okay)) => done = true,
                (Gather::Done, Ok(Value::SimpleString(text))) if text == PONG => done = true,
                (Gather::InOrder, Ok(Value::Array(_))) => return Err(unexpected_count(self)),
                (gather, Ok(other)) => return Err(unexpected(self, gather.expected(), &other)),
            }
        }
        match (failed, gather) {
            (Some(error), _) if done && self.writes() => Err(error.part_of(self.attempt())),
            (Some(error), _) => Err(error),
            (None, Gather::InOrder) => Ok(Value::Array(elements)),
            (None, Gather::Sum | Gather::Last) => Ok(Value::Int(sum)),
            (None, Gather::Done) => Ok(Value::Okay),
        }
    }
}

impl Gather {
    /// The expected reply to a part.
    fn expected(self) -> &'static str {
        match self {
            Gather::InOrder => "a list",
            Gather::Sum | Gather::Last => "a count",
            Gather::Done => "OK",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_to_parts_become_one() {
        let int = |number| Ok(Value::Int(number));
        let request = Request::write("X").key(b"a").key(b"b").key(b"c");
        let two = Ok(Value::Array(vec![Value::Int(1), Value::Int(3)]));
        let one = Ok(Value::Array(vec![Value::Int(2)]));
        let parts = [(vec![0, 2], two), (vec![1], one)];
        let gathered = request.gathered(Gather::InOrder, parts).unwrap();
        assert_eq!(gathered, Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)]));
        let parts = [(vec![0, 2], int(2)), (vec![1], int(1))];
        assert_eq!(request.gathered(Gather::Sum, parts).unwrap(), Value::Int(3));
        let failed = || Err(Error::Timeout { attempt: Box::new(request.attempt()) });
        let error = request.gathered(Gather::Sum, [(vec![0], int(1)), (vec![1], failed())]);
        assert_eq!(error.unwrap_err().applied(), crate::Applied::Yes);
        let error = request.gathered(Gather::Sum, [(vec![0, 1], failed())]);
        assert_eq!(error.unwrap_err().applied(), crate::Applied::Perhaps);
        let refused = || Err(Error::Connect { address: "x".into(), source: "refused".into() });
        let error = request.gathered(Gather::Sum, [(vec![0], failed()), (vec![1], refused())]);
        assert_eq!(error.unwrap_err().applied(), crate::Applied::Perhaps);
        let error = request.gathered(Gather::Sum, [(vec![0], int(1)), (vec![1], refused())]);
        let error = error.unwrap_err();
        assert_eq!(error.applied(), crate::Applied::Yes);
        assert_eq!(
            error.to_string(),
            r#"X "a": the connection was lost: cannot connect to x: refused"#
        );
    }
}
