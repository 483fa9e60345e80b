//! A connection that blocks its thread.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::{RedisError, RedisResult, Value, cmd};

use super::incoming::Incoming;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::handshake::{Handshake, Probe};
use crate::connection::stream::{Limits, Socket, Stream};
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::time::Deadline;
use crate::time::Wait;

/// A connection to a server. After any failure it must not be used again: a reply may still be in
/// flight.
pub(crate) struct Connection {
    stream: Stream,
    incoming: Incoming,
    /// Whether a reply without a request arrived.
    has_surplus: bool,
    /// Counts the reads that received something, for callers that wait for another one's.
    progress: Arc<AtomicU64>,
    /// The generation of its connector to which it belongs.
    pub(crate) generation: usize,
}

impl Connection {
    /// Connects and checks that the server accepts commands. Both together stay within the connect
    /// timeout, and within `limits`.
    pub(crate) fn open(connector: &Connector, limits: Limits) -> TransportResult<Self> {
        let deadline = limits.deadline.earlier(connector.connect_deadline());
        let limits = Limits { deadline, ..limits };
        let fault = |error: RedisError| {
            // After a timeout of a socket the system reports that it is "temporarily unavailable".
            let error = if error.is_timeout() { timed_out() } else { error };
            TransportError::connect(&connector.address, error)
        };
        let generation = connector.generation();
        let stream = open_stream(connector, limits).map_err(fault)?;
        let mut connection = Self {
            stream,
            incoming: Incoming::new(),
            has_surplus: false,
            progress: Arc::default(),
            generation,
        };
        connection.limit(limits);
        connection.shake_hands(&Handshake::new(connector)).map_err(fault)?;
        Ok(connection)
    }

    /// Counts in `progress` the reads that receive something.
    pub(crate) fn count_in(&mut self, progress: Arc<AtomicU64>) {
        self.progress = progress;
    }

    /// Sets the limits of all further transfers.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.stream.limit(limits);
    }

    /// Sends bytes that are encoded already.
    pub(crate) fn send(&mut self, packed: &[u8]) -> RedisResult<()> {
        self.stream.write_all(packed)?;
        Ok(self.stream.flush()?)
    }

    /// Receives the next reply or push message.
    pub(crate) fn receive_any(&mut self) -> RedisResult<Value> {
        let Self { stream, incoming, progress, .. } = self;
        incoming.receive(Counted { stream, progress })
    }

    /// Returns whether a part of a reply has arrived.
    pub(crate) fn has_begun_reply(&self) -> bool {
        !self.incoming.is_at_rest()
    }

    /// Returns, without waiting, whether neither unexpected bytes nor the end of the connection
    /// have arrived since the last reply, which was `age` ago.
    pub(crate) fn is_quiet(&mut self, age: Duration) -> bool {
        if !self.incoming.is_at_rest() {
            let surplus = self.incoming.receive(Nothing);
            self.has_surplus |= surplus.is_ok_and(|it| !matches!(it, Value::Push { .. }));
            return false;
        }
        age < AGE_BEFORE_LOOK || self.stream.is_quiet()
    }

    /// Like `receive_any`, waiting at most for a `silence`. Meanwhile it asks the server for its
    /// role whenever requested.
    pub(crate) fn receive_asking(
        &mut self,
        is_wanted: &AtomicBool,
        silence: Duration,
    ) -> RedisResult<Value> {
        let Self { stream, incoming, .. } = self;
        incoming.receive(Asking { stream, is_wanted, silence })
    }

    /// Receives the next reply.
    pub(crate) fn receive(&mut self) -> RedisResult<Value> {
        loop {
            match self.receive_any()? {
                Value::Push { .. } => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Probes whether the server answers this request, and not an earlier one.
    pub(crate) fn is_in_step(&mut self) -> RedisResult<bool> {
        if self.has_surplus {
            return Ok(false);
        }
        let probe = Probe::new();
        self.send(&probe.packed())?;
        self.receive().map(|reply| probe.is_answered_by(&reply))
    }

    /// Sends the handshake and checks the replies.
    fn shake_hands(&mut self, handshake: &Handshake) -> RedisResult<()> {
        let sent = self.send(&handshake.packed());
        // A server that refuses a connection sends an error and closes it, even before anything is
        // sent. One that was silent is not waited for again.
        let mut replies = Vec::new();
        let mut failure = sent.err();
        let was_silent = failure.as_ref().is_some_and(RedisError::is_timeout);
        while !was_silent && replies.len() < handshake.len() {
            match self.receive() {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    failure = failure.or(Some(error));
                    break;
                }
            }
        }
        let refused = replies.iter().any(|reply| matches!(reply, Value::ServerError(_)));
        if failure.is_none() && refused {
            failure = self.is_in_step().err();
        }
        handshake.conclude(&replies, failure)
    }
}

/// A reader that counts the reads that receive something.
struct Counted<'a> {
    stream: &'a mut Stream,
    progress: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.progress.fetch_add(1, Ordering::Relaxed);
        Ok(read)
    }
}

/// A reader that has no bytes for the moment.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A reader of a server's bytes that asks the server for its role between them.
struct Asking<'a> {
    stream: &'a mut Stream,
    is_wanted: &'a AtomicBool,
    silence: Duration,
}

impl Read for Asking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let silence = Deadline::after(Wait::For(self.silence));
        loop {
            if self.is_wanted.swap(false, Ordering::AcqRel) {
                self.stream.write_all(&cmd("HELLO").get_packed_command())?;
                self.stream.flush()?;
            }
            let deadline = Deadline::after(Wait::Forever);
            self.stream.limit(Limits { silence: ASK_POLL_INTERVAL.min(silence.left()), deadline });
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && !silence.is_over() => {}
                read => return read,
            }
        }
    }
}

/// Opens a socket, encrypted if the connector has TLS.
fn open_stream(connector: &Connector, limits: Limits) -> RedisResult<Stream> {
    let address = connector.information().addr();
    let socket = Socket::connect(address, connector.longest_silence(), limits)?;
    #[cfg(feature = "tls")]
    if let (redis::ConnectionAddr::TcpTls { host, .. }, Some(config)) = (address, &connector.tls) {
        let name = rustls::pki_types::ServerName::try_from(host.clone());
        let name = name.map_err(std::io::Error::other)?;
        let session = rustls::ClientConnection::new(config.clone(), name);
        let session = session.map_err(std::io::Error::other)?;
        return Ok(Stream::Tls(Box::new(rustls::StreamOwned::new(session, socket))));
    }
    if connector.is_tls() {
        Err(std::io::Error::other("there is no configuration of TLS").into())
    } else {
        Ok(Stream::Plain(socket))
    }
}

/// The interval at which a waiting connection checks whether it must ask the server.
const ASK_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Less than most round trips. What arrives unasked in this time is as likely to arrive during the
/// next call, where it cannot be told from its reply; and a look costs a system call.
const AGE_BEFORE_LOOK: Duration = Duration::from_micros(50);
