//! Replies of several kinds that are read together.

use crate::error::Result;
use crate::reply::as_many;
use crate::reply::time_left;
use crate::reply::{Reply, raw, raw_each, time};
use crate::request::Request;

/// The reply of one of several commands of different types that are sent together.
#[derive(Debug, PartialEq)]
#[cfg_attr(not(feature = "near-cache"), allow(unreachable_pub))]
pub enum Part {
    /// Strings or nil, one for each requested key or field.
    Values(Vec<Option<Vec<u8>>>),
    /// Integers, as many as the command returns.
    Integers(Vec<i64>),
}

impl Part {
    /// The strings, if the reply consists of strings.
    pub(crate) fn values(self) -> Vec<Option<Vec<u8>>> {
        match self {
            Self::Values(values) => values,
            Self::Integers(_) => Vec::new(),
        }
    }

    /// The integers, if the reply consists of integers.
    pub(crate) fn integers(self) -> Vec<i64> {
        match self {
            Self::Values(_) => Vec::new(),
            Self::Integers(integers) => integers,
        }
    }
}

impl Request {
    /// Completes the command, whose reply is a string or nil.
    pub(crate) fn value_part(self) -> super::Command<Part> {
        self.returns(|reply| raw(reply).map(|value| Part::Values(vec![value])))
    }

    /// Completes the command, whose reply is a string or nil for each key or field.
    pub(crate) fn values_part(self) -> super::Command<Part> {
        self.returns(|reply| raw_each(reply).map(Part::Values))
    }

    /// Completes the command, whose reply is a time to live.
    pub(crate) fn time_left_part(self) -> super::Command<Part> {
        self.returns(|reply| time_left(reply).map(|time| Part::Integers(vec![time])))
    }

    /// Completes the command, whose reply is a time to live for each field.
    pub(crate) fn times_left_part(self) -> super::Command<Part> {
        self.returns(|reply| {
            let request = reply.request;
            let times = as_many(request.asked(), reply)?.into_iter();
            let times = times.map(|value| time_left(Reply { value, request }));
            times.collect::<Result<_>>().map(Part::Integers)
        })
    }

    /// Completes `TIME`, whose reply is seconds and microseconds.
    pub(crate) fn time_part(self) -> super::Command<Part> {
        self.returns(|reply| time(reply).map(|time| Part::Integers(time.map(whole).to_vec())))
    }

    /// Completes `PUBSUB NUMSUB` of one channel, whose reply is the channel and a count.
    #[cfg(feature = "near-cache")]
    pub(crate) fn listeners_part(self) -> super::Command<Part> {
        self.returns(|reply| {
            let [_channel, listeners] = crate::reply::parts(reply)?;
            Ok(Part::Integers(vec![whole(crate::reply::count(listeners)? as u64)]))
        })
    }
}

/// Converts a number that the server may return above `i64::MAX`.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
