//! A bound on the bytes that a client buffers for a reply before any of it is parsed, and where the
//! reply ends.

use std::io;

/// Follows the framing of one connection's incoming bytes: lines, and behind the header of a bulk
/// string as many bytes as it announces.
///
/// Refuses a line without an end and a bulk string of absurd length, for which the driver would
/// otherwise buffer whatever arrives.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    /// The length of the current line so far.
    line: usize,
    /// The beginning of the current line, if that has arrived in part.
    head: [u8; KEPT],
    /// Whether the previous byte may be the first half of a line's end.
    has_return: bool,
    /// How many bytes of a bulk string, including its end, are still to come.
    payload: u64,
    /// How many values the current reply still lacks, zero between replies.
    lacks: u64,
}

/// What a complete line says about the bytes and values behind it.
#[derive(Default)]
struct Announced {
    payload: u64,
    elements: u64,
    /// Whether it is an attribute, which precedes a value rather than being one.
    is_attribute: bool,
}

impl Framing {
    /// Takes note of bytes that arrived.
    #[cfg(any(feature = "async", test))]
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes)?..];
        }
        Ok(())
    }

    /// Takes note of bytes up to the end of a reply. Returns how many those were, and whether the
    /// end is there.
    pub(crate) fn follow_reply(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut followed = 0;
        while followed < bytes.len() {
            followed += self.step(&bytes[followed..])?;
            if self.line == 0 && self.payload == 0 && self.lacks == 0 {
                return Ok((followed, true));
            }
        }
        Ok((followed, false))
    }

    /// Takes note of a line or of a bulk string, as far as it is there. Returns how many bytes that
    /// is.
    fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.payload > 0 {
            let skipped = bytes.len().min(self.payload.try_into().unwrap_or(usize::MAX));
            self.payload -= skipped as u64;
            return Ok(skipped);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.map_or(bytes.len(), |end| end + 1)];
        self.extend_line(part)?;
        Ok(part.len())
    }

    /// Appends a part of the current line, which ends at most once, with the part.
    fn extend_line(&mut self, part: &[u8]) -> io::Result<()> {
        let before = self.line;
        self.line += part.len();
        if self.line > LONGEST_LINE {
            return Err(unbounded("a line of the reply has no end"));
        }
        let is_end = match part {
            [.., b'\r', b'\n'] => true,
            [b'\n'] => self.has_return,
            _ => false,
        };
        self.has_return = part.ends_with(b"\r");
        // Nearly every line arrives whole. Nothing of it needs to be kept.
        if is_end && before == 0 {
            return announced(part).map(|announced| self.end_line(announced));
        }
        for (kept, byte) in self.head.iter_mut().skip(before).zip(part) {
            *kept = *byte;
        }
        if is_end {
            let announced = announced(&self.head[..self.line.min(KEPT)])?;
            self.end_line(announced);
        }
        Ok(())
    }

    /// Begins what a complete line announced.
    fn end_line(&mut self, announced: Announced) {
        let Announced { payload, elements, is_attribute } = announced;
        self.payload = payload;
        let lacks = self.lacks.max(1).saturating_add(elements);
        self.lacks = lacks - u64::from(!is_attribute);
        self.line = 0;
    }
}

/// Returns what follows a complete line: the bytes of a bulk string with its end, or elements.
/// Refuses lengths that no server announces.
fn announced(line: &[u8]) -> io::Result<Announced> {
    let kind = line.first().copied().unwrap_or_default();
    let nothing = Announced { is_attribute: kind == b'|', ..Announced::default() };
    if !b"$!=*~%>|".contains(&kind) {
        return Ok(nothing);
    }
    let is_bulk = b"$!=".contains(&kind);
    let absurd = || Err(unbounded("the reply announces an absurd length"));
    if line.len() > LONGEST_HEADER {
        return absurd();
    }
    let [_, digits @ .., b'\r', b'\n'] = line else { return Ok(nothing) };
    match number(digits) {
        // Nil.
        Some(-1) if matches!(kind, b'$' | b'*') => Ok(nothing),
        // The parser takes some of these for huge numbers, and others for nil.
        Some(..0) => absurd(),
        Some(LONGEST_BULK..) if is_bulk => absurd(),
        Some(length) if is_bulk => Ok(Announced { payload: length as u64 + 2, ..nothing }),
        Some(pairs) if matches!(kind, b'%' | b'|') => {
            Ok(Announced { elements: (pairs as u64).saturating_mul(2), ..nothing })
        }
        Some(elements) => Ok(Announced { elements: elements as u64, ..nothing }),
        // The parser refuses it.
        None => Ok(nothing),
    }
}

/// Reads a number. This runs for each reply in the one task of a connection, so that few digits
/// have a short path.
fn number(digits: &[u8]) -> Option<i64> {
    if matches!(digits.len(), 1..=FEW_DIGITS) && digits.iter().all(u8::is_ascii_digit) {
        return Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')));
    }
    // The parser would accept blanks around the number.
    std::str::from_utf8(digits).ok().and_then(|digits| digits.trim().parse().ok())
}

fn unbounded(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Room for the type, an `i64` and the end of a line.
const LONGEST_HEADER: usize = 24;

/// One byte more tells a longer line.
const KEPT: usize = LONGEST_HEADER + 1;

/// So few that no number is too large.
const FEW_DIGITS: usize = 9;

/// Lines are statuses, numbers and errors. The longest that servers produce repeat a part of a
/// command or of a script's error.
const LONGEST_LINE: usize = 1024 * 1024;

/// Servers store strings of at most 512 MiB unless their configuration says otherwise.
const LONGEST_BULK: i64 = 4 * 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of every length up to their own.
    fn is_accepted(bytes: &[u8]) -> bool {
        let mut verdicts = (1..=bytes.len()).map(|length| {
            let mut framing = Framing::default();
            bytes.chunks(length).try_for_each(|piece| framing.follow(piece)).is_ok()
        });
        let first = verdicts.next();
        assert!(verdicts.all(|verdict| Some(verdict) == first), "{bytes:?}");
        first == Some(true)
    }

    #[test]
    fn a_line_has_a_bound_wherever_it_begins() {
        let endless = vec![b'x'; LONGEST_LINE];
        for before in [
            "+",
            "-ERR ",
            ":",
            "$",
            "*2\r\n$3\r\nabc\r\n+",
            "$-1\r\n+",
            "+a\nb\r\n+",
            "+a\r\r\n+",
            "%1\r\n+",
            "=4\r\ntxt:\r\n-",
        ] {
            let mut framing = Framing::default();
            assert!(framing.follow(before.as_bytes()).is_ok(), "{before:?}");
            assert!(framing.follow(&endless).is_err(), "{before:?}");
        }
    }

    #[test]
    fn a_reply_ends_where_it_ends_whatever_it_contains() {
        for reply in [
            "+OK\r\n",
            ":-1\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "$6\r\na\r\nb\r\n\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            "%2\r\n+a\r\n~1\r\n#t\r\n+b\r\n_\r\n",
            "|1\r\n+ttl\r\n:3600\r\n*1\r\n,1.5\r\n",
            ">2\r\n+invalidate\r\n*1\r\n$3\r\nkey\r\n",
        ] {
            let bytes = reply.repeat(2);
            for length in 1..=bytes.len() {
                let mut framing = Framing::default();
                let (mut place, mut ends) = (0, Vec::new());
                for piece in bytes.as_bytes().chunks(length) {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        let (followed, is_end) = framing.follow_reply(rest).unwrap();
                        (rest, place) = (&rest[followed..], place + followed);
                        ends.extend(is_end.then_some(place));
                    }
                }
                assert_eq!(ends, [reply.len(), bytes.len()], "{reply:?} in pieces of {length}");
            }
        }
    }

    #[test]
    fn bytes_of_a_bulk_string_are_no_line() {
        let mut framing = Framing::default();
        let value = vec![b'x'; 3 * LONGEST_LINE];
        let header = format!("${}\r\n", value.len());
        for _ in 0..2 {
            assert!(framing.follow(header.as_bytes()).is_ok());
            assert!(value.chunks(8192).all(|piece| framing.follow(piece).is_ok()));
            assert!(framing.follow(b"\r\n").is_ok());
        }
        assert!(framing.follow(&value).is_err());
    }

    #[test]
    fn the_same_bytes_are_judged_the_same_in_any_pieces() {
        for accepted in [
            "*-1\r\n*2\r\n:1\r\n:-5\r\n",
            "+OK\r\n",
            "$3\r\n$9\r\r\n",
            "$4\r\n\r\n\r\n\r\n:1\r\n",
            "$0\r\n\r\n$-1\r\n",
        ] {
            assert!(is_accepted(accepted.as_bytes()), "{accepted:?}");
        }
        for refused in [
            "$4294967296\r\n",
            "*1\r\n$9223372036854775807\r\n",
            "!99999999999\r\n",
            "!-1\r\n",
            "=-5\r\n",
            "$-5\r\n",
            "*-7\r\n",
            "%-1\r\n",
            "$                              1\r\n",
        ] {
            assert!(!is_accepted(refused.as_bytes()), "{refused:?}");
        }
    }
}
