//! The commands of a consumer, and the reading of their replies.

use std::time::Duration;

use redis::Value;

use super::ledger::{Fate, LedgerRequest, Recovery};
use crate::command::Command;
use crate::error::Result;
use crate::queue::keys::Keys;
use crate::queue::scripts::{POLL, RECOVER};
use crate::queue::shared_settings::SharedSettings;
use crate::reply::{self, Reply};
use crate::request::Request;

/// The command of a poll, for `poll.lua`.
pub(crate) fn poll_command(
    keys: &Keys,
    shared_settings: SharedSettings,
    poll: &LedgerRequest,
    wanted: usize,
    checks_due: bool,
) -> Command<(i64, i64, Vec<Vec<u8>>)> {
    let claimed = keys.claimed(&poll.consumer);
    let request = Request::script(&POLL, 9).key(keys.queue()).key(&claimed);
    let request = request.key(&keys.consumers).key(&keys.paused).key(&keys.delayed);
    let request = request.key(&keys.dead).key(&keys.counts).key(&keys.entered);
    let request = request.key(&keys.settings);
    let settlement = poll.settlement.as_ref();
    let (trimmed, done) = settlement.map_or((0, 0), |it| (it.trimmed, it.done));
    let request = request.arg(poll.consumer.as_bytes());
    let request = request.number(poll.last_sequence.map_or(-1, i32::from));
    let request = request.number(poll.held).number(poll.sequence);
    let request = request.number(done).number(trimmed).number(wanted).number(u8::from(checks_due));
    let SharedSettings { max_deliveries, dead_capacity, .. } = shared_settings;
    let request = request.number(max_deliveries).number(dead_capacity);
    let fates = settlement.map_or(&[][..], |it| &it.fates);
    let request = fates.iter().fold(request, |request, (index, _, fate)| {
        let none = Duration::ZERO;
        let (name, time, reason) = match fate {
            Fate::Retry(time, reason) => ("retry", *time, reason.as_str()),
            Fate::Bury(reason) => ("bury", none, reason.as_str()),
            Fate::GivenBack => ("back", none, GIVEN_BACK),
            Fate::Released => ("unseen", none, ""),
            Fate::Lost => ("lost", none, "its consumer was lost while holding it"),
            Fate::Running => ("begun", none, ""),
            Fate::Done | Fate::Ready => ("done", none, ""),
        };
        request.number(index).arg(name).number(time.as_millis()).arg(reason)
    });
    request.returns(polled)
}

/// The command of a recovery, for `recover.lua`.
pub(crate) fn recover_command(
    keys: &Keys,
    recovery: &Recovery,
) -> Command<(Option<u16>, Vec<Vec<u8>>)> {
    let request = Request::script(&RECOVER, 4 + recovery.former.len());
    let request = request.key(&keys.consumers).key(&keys.gone).key(&keys.held);
    let request = request.key(&keys.claimed(&recovery.consumer));
    let former = recovery.former.iter();
    let request =
        former.clone().fold(request, |request, former| request.key(&keys.claimed(former)));
    let request = request.arg(recovery.consumer.as_bytes());
    let request = request.number(u8::from(recovery.known));
    let request = request.number(u8::from(recovery.leaves));
    let request = former.fold(request, |request, former| request.arg(former.as_bytes()));
    request.returns(recovered)
}

/// Reads the reply of `poll.lua`: a status, when the first delayed job is due, and items.
fn polled(reply: Reply<'_>) -> Result<(i64, i64, Vec<Vec<u8>>)> {
    let request = reply.request;
    let mut values = reply::sequence(reply)?;
    let [status, due] = [next(&mut values, request)?, next(&mut values, request)?];
    let items = reply::raw_many(Reply { value: Value::Array(values.collect()), request })?;
    match (status, due) {
        (FENCED | DIVERGED, -1) if items.is_empty() => Ok((status, due, items)),
        (CLAIMED | PAUSED, -1..) => Ok((status, due, items)),
        _ => Err(reply::unexpected(request, "a status and a time", &Value::Int(status))),
    }
}

/// Reads the reply of `recover.lua`: the sequence number of the last poll, or -1, and items.
fn recovered(reply: Reply<'_>) -> Result<(Option<u16>, Vec<Vec<u8>>)> {
    let request = reply.request;
    let mut values = reply::sequence(reply)?;
    let sequence = next(&mut values, request)?;
    let items = reply::raw_many(Reply { value: Value::Array(values.collect()), request })?;
    match (sequence, u16::try_from(sequence)) {
        (-1, _) => Ok((None, items)),
        (_, Ok(sequence)) => Ok((Some(sequence), items)),
        _ => Err(reply::unexpected(request, "a sequence number", &Value::Int(sequence))),
    }
}

/// Reads the next integer.
fn next(values: &mut impl Iterator<Item = Value>, request: &Request) -> Result<i64> {
    let value = values.next().ok_or_else(|| reply::unexpected_count(request))?;
    reply::integer(Reply { value, request })
}

/// The reason of a job that was given back as often as it may be delivered.
pub(crate) const GIVEN_BACK: &str = "it was given back as often as it may be delivered";

/// The statuses of `poll.lua`. The consumer is not registered, and nothing was changed.
pub(crate) const FENCED: i64 = 0;
/// The poll was applied.
pub(crate) const CLAIMED: i64 = 1;
/// The poll was applied, but the queue is paused.
pub(crate) const PAUSED: i64 = 2;
/// The list or the last poll is not the expected one, and nothing was changed.
pub(crate) const DIVERGED: i64 = 3;
