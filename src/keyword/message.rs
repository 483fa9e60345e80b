//! What programs that use this crate say to each other about keywords, beside what Cauldron says.

use super::reading::Status;

/// A write request of a client. On the wire: its id of at most 64 bytes, empty if no outcome is wanted,
/// the milliseconds for which it is wanted, `!` if it is forced, `@` and the microseconds of the
/// server's clock when it was told, the keyword and the value, with line feeds between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub(super) id: &'a str,
    pub(super) milliseconds: u64,
    /// Whether it is to be done although the keyword has the value.
    pub(super) is_forced: bool,
    /// The server adds it.
    pub(super) at: Option<u64>,
    pub(super) keyword: &'a str,
    pub(super) text: &'a [u8],
}

impl<'a> Wanted<'a> {
    /// What comes before the time of the server, and what comes after it.
    pub(crate) fn write(&self) -> [Vec<u8>; 2] {
        let force = if self.is_forced { "!" } else { "" };
        let head = format!("{}\n{}{force}", self.id, self.milliseconds).into_bytes();
        [head, [b"\n", self.keyword.as_bytes(), b"\n", self.text].concat()]
    }

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

/// The outcome of a write request, as it lies in a list for the client who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The keyword has this value, since so many microseconds of the server's clock.
    Taken(Update),
    /// The dispatcher says why not.
    Refused(String),
    /// The dispatcher has begun it, and ended before it was done.
    Abandoned,
}

impl Outcome {
    /// `+`, the time, a space and the value; `-` and the reason; or `?` and the reason.
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
    /// In microseconds of the server's clock. No two updates of a keyword have the same, and later
    /// ones have greater ones.
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

/// What a dispatcher publishes of a keyword: an update, after which the keyword is ready; or its
/// status, the time, the length of its error or -1, the error, and then the value too if it is new,
/// with spaces between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// As the times of updates, among which it has its place.
    pub(super) at: u64,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    /// The value, if it is new.
    pub(super) text: Option<Vec<u8>>,
}

impl News {
    /// None if it is something else, such as the name of a new type.
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

    /// How many bytes it has that others determine.
    pub(crate) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, String::len);
        self.text.as_ref().map_or(0, Vec::len) + error
    }
}

/// Reads what programs say to each other, as each kind of message. Whether it is one of them.
#[cfg(test)]
pub(crate) fn read_message(bytes: &[u8]) -> bool {
    let service = super::names::ServiceName::new("dome");
    let names_a_keyword = service.is_ok_and(|service| service.keyword(bytes).is_some());
    let is_message = Wanted::read(bytes).is_some() | Outcome::read(bytes).is_some();
    is_message | News::read(bytes).is_some() | names_a_keyword
}

/// The reason where there is no such keyword.
pub(crate) const UNKNOWN: &str = "there is no such keyword";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_as_it_was_written() {
        let times = [("", None), ("@1700", Some(1700))].into_iter();
        for ((time, at), is_forced) in times.flat_map(|it| [(it, false), (it, true)]) {
            let (id, keyword, text) = ("a1", "AZ [1]", b"two\nlines\xff");
            let wanted = Wanted { id, milliseconds: 500, is_forced, at, keyword, text };
            let [head, rest] = wanted.write();
            let message = [&head, time.as_bytes(), &rest].concat();
            assert_eq!(Wanted::read(&message), Some(wanted));
        }
        for message in ["", "a", "a\nb\nC\nd", "a\n1\nC", "a\n1@\nC\nd"] {
            assert_eq!(Wanted::read(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn news_are_of_a_value_a_status_or_both() {
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
    fn an_outcome_is_a_update_or_a_reason() {
        let update = Update { at: 1700, text: b"a b".to_vec() };
        for (message, outcome) in [
            ("+1700 a b", Some(Outcome::Taken(update))),
            ("+1700 ", Some(Outcome::Taken(Update { at: 1700, text: Vec::new() }))),
            ("-too hot", Some(Outcome::Refused("too hot".into()))),
            ("?it ended", Some(Outcome::Abandoned)),
            ("+x", None),
            ("", None),
            ("ok", None),
        ] {
            assert_eq!(Outcome::read(message.as_bytes()), outcome, "{message:?}");
        }
    }
}
