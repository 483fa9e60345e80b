//! The bytes that arrive on a connection, and the replies among them.

use std::io::{self, Read};
use std::mem;
use std::ops::Range;

use redis::{Parser, RedisResult, Value};

use super::usual_reply;
use crate::connection::framing::Framing;

/// The bytes that have arrived, until they are returned as replies. Usual replies are read here, in
/// a fraction of the time of the driver's parser, which reads the others once they are whole.
pub(super) struct Incoming {
    buffer: Vec<u8>,
    /// The bytes of the buffer that were not returned.
    unread: Range<usize>,
    framing: Framing,
    /// How many of the unread bytes the framing has followed: the beginning of a reply.
    followed: usize,
}

impl Incoming {
    pub(super) fn new() -> Self {
        let (buffer, unread) = (vec![0; BUFFER], 0..0);
        Self { buffer, unread, framing: Framing::default(), followed: 0 }
    }

    /// Returns the next reply or push message, and reads what has not arrived of it. After a failure
    /// to read, what has arrived is kept.
    pub(super) fn receive(&mut self, mut stream: impl Read) -> RedisResult<Value> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if self.followed == 0
                && let Some((reply, length)) = usual_reply::read_simple(unread)
            {
                self.take(length);
                return Ok(reply);
            }
            let (followed, is_whole) = self.framing.follow_reply(&unread[self.followed..])?;
            self.followed += followed;
            if is_whole {
                let reply = whole_reply(&unread[..self.followed]);
                let length = mem::take(&mut self.followed);
                self.take(length);
                return reply;
            }
            self.read(&mut stream)?;
        }
    }

    /// Returns whether all bytes that arrived were returned as replies.
    pub(super) fn is_at_rest(&self) -> bool {
        self.unread.is_empty()
    }

    /// Reads once. The buffer grows no faster than what arrives.
    fn read(&mut self, stream: &mut impl Read) -> io::Result<()> {
        if self.unread.end == self.buffer.len() || self.unread.is_empty() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        match stream.read(&mut self.buffer[self.unread.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.unread.end += read;
                Ok(())
            }
        }
    }

    /// Removes a reply of so many bytes.
    fn take(&mut self, length: usize) {
        self.unread.start += length;
        if self.buffer.len() > LARGEST_KEPT && self.unread.is_empty() {
            (self.buffer, self.unread) = (vec![0; BUFFER], 0..0);
        }
    }
}

/// Parses a reply that is there as a whole.
fn whole_reply(bytes: &[u8]) -> RedisResult<Value> {
    match usual_reply::read_whole(bytes) {
        Some(reply) => Ok(reply),
        None => Parser::new().parse_value(bytes),
    }
}

/// Room for many small replies.
const BUFFER: usize = 8 * 1024;

/// A buffer that grew for a large reply, and never shrinks, is given up beyond this size.
const LARGEST_KEPT: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &str =
        "*3\r\n$5\r\na\r\nbc\r\n:-12\r\n*-1\r\n+OK\r\n-ERR no\r\n%1\r\n+a\r\n#t\r\n$0\r\n\r\n";

    /// A reader that times out before each byte.
    struct Hesitant<'a> {
        bytes: &'a [u8],
        is_ready: bool,
    }

    impl Read for Hesitant<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_ready = !self.is_ready;
            if !self.is_ready {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let (first, rest) = self.bytes.split_at(1.min(self.bytes.len()));
            buffer[..first.len()].copy_from_slice(first);
            self.bytes = rest;
            Ok(first.len())
        }
    }

    /// What the driver's parser returns for `count` replies.
    fn parsed(mut replies: &[u8], count: usize) -> Vec<Value> {
        let mut parser = Parser::new();
        (0..count).map(|_| parser.parse_value(&mut replies).unwrap()).collect()
    }

    /// A leader whose time is over leaves the rest of a reply to the next one.
    #[test]
    fn what_has_arrived_of_a_reply_is_kept_after_a_timeout() {
        let expected = parsed(REPLIES.as_bytes(), 5);
        let (mut incoming, mut received) = (Incoming::new(), Vec::new());
        let mut hesitant = Hesitant { bytes: REPLIES.as_bytes(), is_ready: true };
        let mut timeouts = 0;
        while received.len() < expected.len() {
            match incoming.receive(&mut hesitant) {
                Ok(reply) => received.push(reply),
                Err(error) => {
                    assert!(error.is_timeout(), "{error}");
                    timeouts += 1;
                }
            }
        }
        assert_eq!(received, expected);
        assert_eq!(timeouts, REPLIES.len());
        assert!(incoming.is_at_rest());
    }
    /// Reads all replies in pieces of this length, until one is refused or the bytes end.
    fn received(bytes: &[u8], length: usize) -> Vec<Value> {
        let mut stream = Pieces { bytes, length };
        let mut incoming = Incoming::new();
        std::iter::from_fn(|| incoming.receive(&mut stream).ok()).collect()
    }

    struct Pieces<'a> {
        bytes: &'a [u8],
        length: usize,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.length.min(buffer.len());
            self.bytes.read(&mut buffer[..length])
        }
    }

    #[test]
    fn all_replies_are_those_of_the_drivers_parser() {
        let long = format!("${}\r\n{}\r\n", 3 * BUFFER, "x".repeat(3 * BUFFER));
        let line = format!("+{}\r\n", "x".repeat(2 * BUFFER));
        let filling = format!("${}\r\n{}\r\n", BUFFER, "x".repeat(BUFFER));
        let replies = [
            "+OK\r\n",
            "+PONG\r\n",
            "+\r\n",
            "+a\rb\r\n",
            "+a\nb\r\n",
            ":0\r\n",
            ":-12\r\n",
            ": 7 \r\n",
            ":+3\r\n",
            ":9223372036854775807\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "$2\r\n\r\n\r\n",
            "$ 1\r\na\r\n",
            "_\r\n",
            "*2\r\n$1\r\na\r\n$-1\r\n",
            "-ERR no\r\n",
            ">2\r\n+x\r\n+y\r\n",
            "#t\r\n",
            ",1.5\r\n",
            "+\u{e9}\r\n",
            &long,
            &line,
            &filling,
        ];
        for first in replies {
            for second in replies {
                let bytes = format!("{first}:1\r\n{second}$1\r\na\r\n");
                let expected = parsed(bytes.as_bytes(), 4);
                let few = [1, 2, 3, 5, 7].into_iter().filter(|_| bytes.len() < BUFFER);
                for length in few.chain([BUFFER - 1, BUFFER]) {
                    let received = received(bytes.as_bytes(), length);
                    assert!(received == expected, "{first:?} {second:?} in pieces of {length}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_as_by_the_drivers_parser() {
        for bytes in [
            ":\r\n",
            ":-\r\n",
            ":1x\r\n",
            "$1\r\nab\r\n",
            "$1\r\na\rx",
            "$\r\n",
            "$1",
            "x\r\n",
            ":1\n",
            "$9999999999999999999\r\n",
            "+\u{80}",
            "",
        ] {
            assert!(redis::parse_redis_value(bytes.as_bytes()).is_err(), "{bytes:?}");
            assert_eq!(received(bytes.as_bytes(), 1), [], "{bytes:?}");
        }
    }
}
