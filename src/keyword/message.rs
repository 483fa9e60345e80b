//! Messages between programs that use this crate, in addition to those of Cauldron.

use super::reading::Status;

/// A write request of a client. On the wire: its id of at most 64 bytes, empty if no outcome is
/// wanted; the milliseconds for which the outcome is wanted, `!` if it is forced, `@` and the
/// microseconds of the server's clock when it was published; the keyword; and the value; separated
/// by line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestMessage<'a> {
    pub(super) id: &'a str,
    pub(super) milliseconds: u64,
    /// Whether the hook is called even if the keyword already has the value.
    pub(super) is_forced: bool,
    /// When it was published. Added by the server.
    pub(super) at: Option<u64>,
    pub(super) keyword: &'a str,
    pub(super) text: &'a [u8],
}

impl<'a> RequestMessage<'a> {
    /// Returns the message before and after the server's time.
    pub(crate) fn write(&self) -> [Vec<u8>; 2] {
        let force = if self.is_forced { "!" } else { "" };
        let head = format!("{}\n{}{force}", self.id, self.milliseconds).into_bytes();
        [head, [b"\n", self.keyword.as_bytes(), b"\n", self.text].concat()]
    }

    /// Parses a request; `None` if it is not one.
    pub(crate) fn read(message: &'a [u8]) -> Option<Self> {
        let mut parts = message.splitn(4, |byte| *byte == b'\n');
        let mut head = || std::str::from_utf8(parts.next()?).ok();
        let (id, time, keyword) = (head()?, head()?, head()?);
        let (milliseconds, at) = match time.split_once('@') {
            Some((milliseconds, at)) => (milliseconds, Some(at.parse().ok()?)),
            None => (time, None),
        };
        let forced = milliseconds.strip_suffix('!');
        let milliseconds = forced.unwrap_or(milliseconds).parse().ok()?;
        Some(Self {
            id,
            milliseconds,
            is_forced: forced.is_some(),
            at,
            keyword,
            text: parts.next()?,
        })
    }
}

/// The outcome of a write request, as stored in a list for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// The keyword has this value.
    Taken(Update),
    /// The dispatcher refused the value, for this reason.
    Refused(String),
    /// The dispatcher began the write, and ended before it was done.
    Abandoned,
}

impl WriteOutcome {
    /// Parses an outcome: `+`, the time, a space and the value; `-` and the reason; or `?` and the
    /// reason.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        match message.split_first()? {
            (b'+', update) => Update::read(update).map(Self::Taken),
            (b'?', _) => Some(Self::Abandoned),
            (b'-', reason) => Some(Self::Refused(String::from_utf8_lossy(reason).into_owned())),
            _ => None,
        }
    }
}

/// A new value of a keyword: the time, a space and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    /// In microseconds of the server's clock. Unique and increasing for each keyword.
    pub(super) at: u64,
    pub(super) text: Vec<u8>,
}

impl Update {
    fn read(message: &[u8]) -> Option<Self> {
        let space = message.iter().position(|byte| *byte == b' ')?;
        let at = std::str::from_utf8(&message[..space]).ok()?.parse().ok()?;
        Some(Self { at, text: message[space + 1..].to_vec() })
    }
}

/// A change event, as dispatchers publish it: an update, after which the keyword is ready; or its
/// status, the time, the length of its error or -1, the error, and then the value if it is new,
/// separated by spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// A time in the same order as those of updates.
    pub(super) at: u64,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    /// The value, if it is new.
    pub(super) text: Option<Vec<u8>>,
}

impl News {
    /// Parses a change event; `None` if it is another message, such as the name of a new type.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        if let Some(Update { at, text }) = Update::read(message) {
            return Some(Self { at, status: Status::Ready, error: None, text: Some(text) });
        }
        let mut parts = message.splitn(4, |byte| *byte == b' ');
        let mut head = || std::str::from_utf8(parts.next()?).ok();
        let (status, at, length) = (head()?, head()?.parse().ok()?, head()?.parse::<i64>().ok()?);
        let status = Status::named(status.as_bytes());
        let (error, rest) = match usize::try_from(length) {
            Ok(length) => {
                let (error, rest) = parts.next()?.split_at_checked(length)?;
                (Some(String::from_utf8_lossy(error).into_owned()), rest)
            }
            Err(_) => (None, parts.next()?),
        };
        let text = match rest.split_first() {
            Some((b' ', text)) => Some(text.to_vec()),
            Some(_) => return None,
            None => None,
        };
        (status != Status::Unknown).then_some(Self { at, status, error, text })
    }

    /// Returns how many bytes of it other programs determine.
    pub(crate) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, String::len);
        self.text.as_ref().map_or(0, Vec::len) + error
    }
}

/// Parses bytes as each kind of message. Returns whether they are one of them.
#[cfg(test)]
pub(crate) fn read_message(bytes: &[u8]) -> bool {
    let service = super::names::ServiceName::new("dome");
    let names_a_keyword = service.is_ok_and(|service| service.keyword(bytes).is_some());
    let is_message = RequestMessage::read(bytes).is_some() | WriteOutcome::read(bytes).is_some();
    is_message | News::read(bytes).is_some() | names_a_keyword
}

/// The reason for refusing a keyword that does not exist.
pub(crate) const UNKNOWN: &str = "there is no such keyword";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let times = [("", None), ("@1700", Some(1700))].into_iter();
        for ((time, at), is_forced) in times.flat_map(|it| [(it, false), (it, true)]) {
            let (id, keyword, text) = ("a1", "AZ [1]", b"two\nlines\xff");
            let request = RequestMessage { id, milliseconds: 500, is_forced, at, keyword, text };
            let [head, rest] = request.write();
            let message = [&head, time.as_bytes(), &rest].concat();
            assert_eq!(RequestMessage::read(&message), Some(request));
        }
        for message in ["", "a", "a\nb\nC\nd", "a\n1\nC", "a\n1@\nC\nd"] {
            assert_eq!(RequestMessage::read(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn a_change_has_a_value_a_status_or_both() {
        let news = |status, error: Option<&str>, text: Option<&[u8]>| {
            let (error, text) = (error.map(String::from), text.map(Vec::from));
            Some(News { at: 1700, status, error, text })
        };
        for (message, expected) in [
            (&b"1700 a b"[..], news(Status::Ready, None, Some(b"a b"))),
            (b"1700 ", news(Status::Ready, None, Some(b""))),
            (b"ready 1700 -1 ", news(Status::Ready, None, None)),
            (b"modify 1700 -1 ", news(Status::Modify, None, None)),
            (b"modify 1700 -1  a b\xff", news(Status::Modify, None, Some(b"a b\xff"))),
            (b"error 1700 7 too hot", news(Status::Error, Some("too hot"), None)),
            (b"error 1700 7 too hot 1", news(Status::Error, Some("too hot"), Some(b"1"))),
            (b"error 1700 0 ", news(Status::Error, Some(""), None)),
            (b"init 1700 -1  ", news(Status::Init, None, Some(b""))),
            (b"error 1700 8 too hot", None),
            (b"error 1700 6 too hot", None),
            (b"error 1700 99999999999999999999 x", None),
            (b"modify 1700", None),
            (b"modify x -1 ", None),
            (b"asleep 1700 -1 ", None),
            (b"integer", None),
            (b"", None),
        ] {
            assert_eq!(News::read(message), expected, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn an_outcome_is_an_update_or_a_reason() {
        let update = Update { at: 1700, text: b"a b".to_vec() };
        for (message, outcome) in [
            ("+1700 a b", Some(WriteOutcome::Taken(update))),
            ("+1700 ", Some(WriteOutcome::Taken(Update { at: 1700, text: Vec::new() }))),
            ("-too hot", Some(WriteOutcome::Refused("too hot".into()))),
            ("?it ended", Some(WriteOutcome::Abandoned)),
            ("+x", None),
            ("", None),
            ("ok", None),
        ] {
            assert_eq!(WriteOutcome::read(message.as_bytes()), outcome, "{message:?}");
        }
    }
}
