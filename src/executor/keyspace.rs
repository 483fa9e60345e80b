//! The server's setting of which changes to keys it tells:
//! <https://valkey.io/topics/notifications/>.

use redis::Value;

use super::node::Node;
use crate::protocol::{Form, Line};
use crate::reply;
use crate::request::Request;

/// Adds to the kinds of keyspace notifications that the server has on. Says whether all are.
pub(crate) async fn turn_on<N: Node>(node: &N, kinds: &'static str) -> bool {
    let Some(known) = kinds_of(node).await else { return false };
    let mut missing = missing(&known, kinds);
    if known.contains('A') && kinds.contains(HIDDEN) {
        missing.push(HIDDEN);
    }
    if missing.is_empty() {
        return true;
    }
    let set = Request::write("CONFIG").arg("SET").arg(KINDS).arg(format!("{known}{missing}"));
    let reply = node.call(Line::new(&set, Form::AsIs), node.connector().deadline()).await;
    reply.is_ok_and(|reply| !matches!(reply, Value::ServerError(_)))
}

/// Whether these kinds of keyspace notifications are on. Somebody may have turned them off, if only
/// by adding others at the same time.
pub(crate) async fn are_on<N: Node>(node: &N, kinds: &'static str) -> bool {
    kinds_of(node).await.is_some_and(|known| missing(&known, kinds).is_empty())
}

async fn kinds_of<N: Node>(node: &N) -> Option<String> {
    let get = Request::read("CONFIG").arg("GET").arg(KINDS).returns(reply::raw_each);
    let reply =
        node.call(Line::new(&get.request, Form::AsIs), node.connector().deadline()).await.ok()?;
    let setting = get.read(reply).ok()?.into_iter().nth(1)??;
    String::from_utf8(setting).ok()
}

/// The `kinds` of notifications that are not among the `known` ones, where `A` stands for many.
fn missing(known: &str, kinds: &str) -> String {
    let has = |kind: char| known.contains(kind) || (known.contains('A') && ALL.contains(kind));
    kinds.chars().filter(|&kind| !has(kind)).collect()
}

const KINDS: &str = "notify-keyspace-events";
const ALL: &str = "g$lshzxetdn";

/// Not one of those that `A` stands for, but servers do not show it beside an `A`.
const HIDDEN: char = 'n';
