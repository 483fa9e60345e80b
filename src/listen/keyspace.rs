//! The server's setting for keyspace notifications: <https://valkey.io/topics/notifications/>.

use redis::Value;

use crate::connection::Node;
use crate::error::{Error, Result};
use crate::protocol::{Form, Line};
use crate::reply;
use crate::reply::{Reply, server_error};
use crate::request::Request;

/// Adds to the classes of keyspace notifications that the server has on, and returns those that are
/// on now: all `kinds`, or all but [`NEW`] if the server does not know that one. An error says why
/// others are not.
pub(crate) async fn turn_on<N: Node>(node: &N, kinds: &str) -> Result<String> {
    let mut wanted = kinds.to_owned();
    let mut is_set = false;
    for _ in 0..MAX_TRIES {
        let known = kinds_of(node).await?;
        let mut missing = missing(&known, &wanted);
        // Servers do not show it beside an `A`, so it is set once to be certain.
        if missing.is_empty() && !is_set && known.contains('A') && wanted.contains(NEW) {
            missing.push(NEW);
        }
        if missing.is_empty() {
            return Ok(wanted);
        }
        match set(node, &format!("{known}{missing}")).await {
            Ok(()) => is_set = true,
            Err(Error::Server { .. }) if wanted.contains(NEW) => wanted.retain(|kind| kind != NEW),
            Err(error) => return Err(error),
        }
    }
    let (expected, found) = ("notify-keyspace-events to keep its value", "another one");
    let attempt = Box::new(get().attempt());
    Err(Error::UnexpectedReply { attempt, expected, found })
}

/// Returns whether these classes of keyspace notifications are on. Another client may have turned
/// them off, even by adding others at the same time. Whether [`NEW`]
/// is on beside an `A` cannot be known.
pub(crate) async fn are_on<N: Node>(node: &N, kinds: &str) -> bool {
    kinds_of(node).await.is_ok_and(|known| missing(&known, kinds).is_empty())
}

fn get() -> Request {
    Request::read("CONFIG").arg("GET").arg(SETTING)
}

async fn kinds_of<N: Node>(node: &N) -> Result<String> {
    call(node, get(), setting).await
}

async fn set<N: Node>(node: &N, kinds: &str) -> Result<()> {
    call(node, Request::write("CONFIG").arg("SET").arg(SETTING).arg(kinds), reply::ok).await
}

/// Runs one command on `node`.
async fn call<N: Node, T>(
    node: &N,
    request: Request,
    read: fn(Reply<'_>) -> Result<T>,
) -> Result<T> {
    let reply = node.call(Line::new(&request, Form::AsIs), node.connector().deadline()).await;
    let reply = reply.map_err(|fault| fault.into_error(|| request.attempt()))?;
    request.returns(read).read(reply)
}

/// Reads the reply of `CONFIG GET`: the name and the value, in RESP3 as a map.
fn setting(reply: Reply<'_>) -> Result<String> {
    let request = reply.request;
    let value = match reply.value {
        Value::Map(mut entries) if entries.len() == 1 => {
            Value::Array(<[Value; 2]>::from(entries.remove(0)).into())
        }
        Value::ServerError(error) => return Err(server_error(request, &error)),
        value => value,
    };
    let [_name, kinds] = reply::parts(Reply { value, request })?;
    reply::one::<String>(kinds)
}

/// The `kinds` of notifications that are not among the `known` ones, where `A` stands for many.
fn missing(known: &str, kinds: &str) -> String {
    let has = |kind: char| known.contains(kind) || (known.contains('A') && ALL.contains(kind));
    kinds.chars().filter(|&kind| !has(kind)).collect()
}

const SETTING: &str = "notify-keyspace-events";
const ALL: &str = "g$lshzxetdn";

/// The class for new keys. Servers before Redis 7 refuse settings with it, and report new keys as
/// changed ones. `A` does not include it.
const NEW: char = 'n';

/// Other clients may change the setting at the same time.
const MAX_TRIES: usize = 5;
