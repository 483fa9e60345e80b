//! The replies to the parts of a request.

use redis::Value;

use super::{PONG, server_error, unexpected, unexpected_count};
use crate::error::{Error, Result};
use crate::place::Gather;
use crate::request::Request;

impl Request {
    /// One reply of the replies to parts, each of which asked for the keys at some positions.
    pub(crate) fn gathered(
        &self,
        gather: Gather,
        parts: impl IntoIterator<Item = (Vec<usize>, Result<Value>)>,
    ) -> Result<Value> {
        let mut elements = vec![Value::Nil; self.key_count()];
        let mut sum = 0_i64;
        let mut done = false;
        let mut failed: Option<Error> = None;
        let mut fail = |error| {
            if !failed.as_ref().is_some_and(Error::may_have_been_applied) {
                failed = Some(error);
            }
        };
        for (keys, reply) in parts {
            match (gather, reply) {
                (_, Ok(Value::ServerError(error))) => fail(server_error(self, &error)),
                (_, Err(error)) => fail(error),
                (Gather::InOrder, Ok(Value::Array(values))) if values.len() == keys.len() => {
                    keys.into_iter().zip(values).for_each(|(key, value)| elements[key] = value);
                }
                (Gather::Sum, Ok(Value::Int(count @ 0..))) => {
                    (sum, done) = (sum.saturating_add(count), true);
                }
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
            (None, Gather::Sum) => Ok(Value::Int(sum)),
            (None, Gather::Done) => Ok(Value::Okay),
        }
    }
}

impl Gather {
    /// What the reply to a part is.
    fn expected(self) -> &'static str {
        match self {
            Gather::InOrder => "a list",
            Gather::Sum => "a count",
            Gather::Done => "OK",
        }
    }
}
