//! What a server says without being asked.

use redis::{PushKind, Value};

/// One thing that a server says to a connection that listens.
#[derive(Debug, PartialEq)]
pub enum Speech<'a> {
    /// Somebody published something.
    Message { channel: &'a [u8], payload: &'a [u8] },
    /// A tracked key changed.
    Changed(&'a [u8]),
    /// All keys are gone, or may be.
    Flushed,
    /// It was asked what it is, and says whether it is a master.
    Role { is_master: bool },
    /// Nothing more is to come on this connection.
    Ended,
}

/// Who listens to one connection.
pub(crate) trait Ears: Send + Sync + 'static {
    /// Takes something in, without waiting for anything. Says whether to go on listening.
    fn hear(&self, speech: Speech<'_>) -> bool;
}

/// Lets `ears` hear what a push of the server says. Says whether to go on listening.
pub(crate) fn tell(ears: &dyn Ears, kind: &PushKind, data: &[Value]) -> bool {
    match (kind, data) {
        (PushKind::Message, [channel, payload])
        | (PushKind::PMessage, [_, channel, payload])
        | (PushKind::SMessage, [channel, payload]) => match (bytes(channel), bytes(payload)) {
            (Some(channel), Some(payload)) => ears.hear(Speech::Message { channel, payload }),
            _ => true,
        },
        (PushKind::Invalidate, [Value::Array(keys)]) if !keys.is_empty() => {
            keys.iter().all(|key| match bytes(key) {
                Some(key) => ears.hear(Speech::Changed(key)),
                None => ears.hear(Speech::Flushed),
            })
        }
        (PushKind::Invalidate, _) => ears.hear(Speech::Flushed),
        (PushKind::Disconnection, _) => ears.hear(Speech::Ended),
        _ => true,
    }
}

/// What a server that was asked by `HELLO` says that it is.
pub(crate) fn role(reply: &Value) -> Speech<'static> {
    let is_role = |(name, _): &&(Value, Value)| bytes(name) == Some(b"role");
    let role = match reply {
        Value::Map(entries) => entries.iter().find(is_role).and_then(|(_, role)| bytes(role)),
        _ => None,
    };
    Speech::Role { is_master: role == Some(b"master") }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Ears for Noted {
        fn hear(&self, speech: Speech<'_>) -> bool {
            self.0.lock().unwrap().push(format!("{speech:?}"));
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
            let noted = Noted::default();
            assert!(tell(&noted, &kind, &data));
            assert_eq!(*noted.0.lock().unwrap(), expected, "{kind:?}");
        }
    }
}
