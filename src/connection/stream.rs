//! Sockets with time limits on reads and writes, regardless of the program's signals.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis::ConnectionAddr;
use socket2::SockRef;

use crate::time::Deadline;

/// The time limits of the other side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest time in which no byte is transferred.
    pub(crate) silence: Duration,
    /// The end of all transfers.
    pub(crate) deadline: Deadline,
}

impl Limits {
    /// The same limits with half of the silence.
    pub(crate) fn halved(self) -> Self {
        Self { silence: self.silence / 2, ..self }
    }
}

/// A stream to a server, encrypted or not.
pub(crate) enum Stream {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Socket>>),
}

/// A socket that observes [`Limits`]. A signal neither ends a read or write nor extends it.
///
/// The system's own timeout, which a signal restarts, is half of the usual limit. It stays
/// unchanged unless the end of a limit is near: an ordinary exchange sets no timeout.
pub(crate) struct Socket {
    raw: Raw,
    usual_timeout: Duration,
    limits: Limits,
    reading: Timeout,
    writing: Timeout,
    /// How many reads and writes began after the deadline.
    late: u32,
    /// When the first of them began.
    late_since: Option<Instant>,
}

/// An unencrypted stream of the system.
enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The system's timeout of reads or of writes, once known.
type Timeout = Option<Duration>;

impl Stream {
    /// Sets the limits of all further transfers.
    pub(crate) fn limit(&mut self, limits: Limits) {
        let socket = self.socket();
        (socket.limits, socket.late, socket.late_since) = (limits, 0, None);
    }

    /// Returns whether there is nothing to read for the moment, not even the end.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.socket().raw.is_quiet()
    }

    fn socket(&mut self) -> &mut Socket {
        match self {
            Stream::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

impl Socket {
    /// Connects before the deadline of `limits`. A name lookup has the system's own limits.
    pub(crate) fn connect(
        address: &ConnectionAddr,
        usual_limit: Duration,
        limits: Limits,
    ) -> io::Result<Self> {
        let raw = match address {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Raw::Tcp(connect_tcp(host, *port, limits.deadline)?)
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Raw::Unix(connect_unix(path, limits.deadline)?),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let usual_timeout = usual_limit / 2;
        Ok(Self {
            raw,
            usual_timeout,
            limits,
            reading: None,
            writing: None,
            late: 0,
            late_since: None,
        })
    }

    /// Repeats `transfer` until it moves some bytes or fails, within the limits. Bytes that have
    /// arrived are read even after their end: the program itself may have been stopped meanwhile.
    fn within_limits(
        &mut self,
        timeout: fn(&mut Self) -> &mut Timeout,
        set: fn(&Raw, Duration) -> io::Result<()>,
        mut transfer: impl FnMut(&Raw) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let begin = Instant::now();
        let Limits { silence, deadline } = self.limits;
        let until_deadline = deadline.left_at(begin);
        if until_deadline.is_zero() {
            self.late += 1;
            let late_since = *self.late_since.get_or_insert(begin);
            if self.late > MAX_LATE_READS || begin - late_since > MAX_LATE_TIME {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        let mut left = silence.min(until_deadline);
        loop {
            let wanted = self.usual_timeout.min(left).max(SHORTEST_TIMEOUT);
            if *timeout(self) != Some(wanted) {
                set(&self.raw, wanted)?;
                *timeout(self) = Some(wanted);
            }
            match transfer(&self.raw) {
                Err(error) if !is_premature(&error) => return Err(error),
                Err(_) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Err(_) => left = silence.saturating_sub(begin.elapsed()).min(deadline.left()),
                Ok(transferred) => return Ok(transferred),
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.within_limits(|socket| &mut socket.reading, Raw::limit_reads, |raw| raw.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.within_limits(|socket| &mut socket.writing, Raw::limit_writes, |raw| raw.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Raw {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Raw::Tcp(stream) => (&mut &*stream).read(buffer),
            #[cfg(unix)]
            Raw::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Raw::Tcp(stream) => (&mut &*stream).write(bytes),
            #[cfg(unix)]
            Raw::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    /// Returns whether nothing has arrived unasked, not even the end of the stream.
    fn is_quiet(&self) -> bool {
        let socket = match self {
            Raw::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            Raw::Unix(stream) => SockRef::from(stream),
        };
        let peeked = peek(&socket);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn limit_reads(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Raw::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            #[cfg(unix)]
            Raw::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    fn limit_writes(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Raw::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            #[cfg(unix)]
            Raw::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }
}

/// Checks for a byte without waiting.
#[cfg(unix)]
fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.recv_with_flags(&mut [MaybeUninit::uninit()], libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

#[cfg(not(unix))]
fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let peeked = socket.peek(&mut [MaybeUninit::uninit()]);
    socket.set_nonblocking(false)?;
    peeked
}

/// Returns whether a transfer was ended by a signal or the system's timeout before it moved any
/// byte.
fn is_premature(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Connects to the first address of a host that accepts. Each gets its share of the time.
fn connect_tcp(host: &str, port: u16, deadline: Deadline) -> io::Result<TcpStream> {
    let addresses = resolve(host, port)?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for (address, remaining) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
        let share = deadline.left() / remaining;
        if share.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Resolves a host, repeating after signals.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    loop {
        match (host, port).to_socket_addrs() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            addresses => return addresses.map(Iterator::collect),
        }
    }
}

/// Connects to a socket of this machine, which takes time if many clients wait to be accepted.
#[cfg(unix)]
fn connect_unix(path: &std::path::Path, deadline: Deadline) -> io::Result<UnixStream> {
    let address = socket2::SockAddr::unix(path)?;
    loop {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
        // It limits connecting too.
        socket.set_write_timeout(Some(deadline.left().max(SHORTEST_TIMEOUT)))?;
        match socket.connect(&address) {
            Err(error) if is_premature(&error) && !deadline.is_over() => {}
            connected => return connected.map(|()| socket.into()),
        }
    }
}

/// Zero would mean no timeout at all.
const SHORTEST_TIMEOUT: Duration = Duration::from_micros(1);

/// Enough to read a large reply that has arrived by the deadline, but not an endless one.
const MAX_LATE_READS: u32 = 1024;
const MAX_LATE_TIME: Duration = Duration::from_secs(1);
