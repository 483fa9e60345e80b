//! Push messages of a server.

use redis::{PushKind, Value};

use crate::reply::as_bytes;

/// A push message, or the end of the connection.
#[derive(Debug, PartialEq)]
pub enum Push<'a> {
    /// A client published a message.
    Message { channel: &'a [u8], payload: &'a [u8] },
    /// A tracked key changed.
    Changed(&'a [u8]),
    /// All keys are gone, or may be.
    Flushed,
    /// The server was asked for its role, and reports whether it is a master.
    Role { is_master: bool },
    /// The connection has ended.
    Ended,
}

/// The receiver of one connection's push messages.
pub(crate) trait PushHandler: Send + Sync + 'static {
    /// Handles a message, without blocking. Returns whether to continue.
    fn on_push(&self, push: Push<'_>) -> bool;
}

/// Passes a push of the server to `handler`. Returns whether to continue.
pub(crate) fn dispatch(handler: &dyn PushHandler, kind: &PushKind, data: &[Value]) -> bool {
    match (kind, data) {
        (PushKind::Message, [channel, payload])
        | (PushKind::PMessage, [_, channel, payload])
        | (PushKind::SMessage, [channel, payload]) => {
            match (as_bytes(channel), as_bytes(payload)) {
                (Some(channel), Some(payload)) => {
                    handler.on_push(Push::Message { channel, payload })
                }
                _ => true,
            }
        }
        (PushKind::Invalidate, [Value::Array(keys)]) if !keys.is_empty() => {
            keys.iter().all(|key| match as_bytes(key) {
                Some(key) => handler.on_push(Push::Changed(key)),
                None => handler.on_push(Push::Flushed),
            })
        }
        (PushKind::Invalidate, _) => handler.on_push(Push::Flushed),
        (PushKind::Disconnection, _) => handler.on_push(Push::Ended),
        _ => true,
    }
}

/// Reads the role of a server from its reply to `HELLO`.
pub(crate) fn role(reply: &Value) -> Push<'static> {
    let is_role = |(name, _): &&(Value, Value)| as_bytes(name) == Some(b"role");
    let role = match reply {
        Value::Map(entries) => entries.iter().find(is_role).and_then(|(_, role)| as_bytes(role)),
        _ => None,
    };
    Push::Role { is_master: role == Some(b"master") }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct RecordingHandler(Mutex<Vec<String>>);

    impl PushHandler for RecordingHandler {
        fn on_push(&self, push: Push<'_>) -> bool {
            self.0.lock().unwrap().push(format!("{push:?}"));
            true
        }
    }

    #[test]
    fn every_push_has_one_meaning() {
        let text = |text: &str| Value::BulkString(text.into());
        let keys = |keys: &[&str]| Value::Array(keys.iter().map(|key| text(key)).collect());
        let message = r#"Message { channel: [99], payload: [112] }"#;
        for (kind, data, expected) in [
            (PushKind::Message, vec![text("c"), text("p")], vec![message]),
            (PushKind::PMessage, vec![text("*"), text("c"), text("p")], vec![message]),
            (PushKind::Invalidate, vec![keys(&["a", "b"])], vec!["Changed([97])", "Changed([98])"]),
            (PushKind::Invalidate, vec![Value::Nil], vec!["Flushed"]),
            (PushKind::Invalidate, vec![keys(&[])], vec!["Flushed"]),
            (PushKind::Invalidate, vec![Value::Array(vec![Value::Nil])], vec!["Flushed"]),
            (PushKind::Disconnection, vec![], vec!["Ended"]),
            (PushKind::Subscribe, vec![text("c"), Value::Int(1)], vec![]),
            (PushKind::Message, vec![text("c")], vec![]),
            (PushKind::Other("new".into()), vec![text("x")], vec![]),
        ] {
            let recorded = RecordingHandler::default();
            assert!(dispatch(&recorded, &kind, &data));
            assert_eq!(*recorded.0.lock().unwrap(), expected, "{kind:?}");
        }
    }
}
