use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::ConnectionAddr;

use crate::connection::connection_info;

/// A TCP proxy between a client and its server, which makes faults on request.
///
/// It forwards until a fault is requested. A fault lasts until the next one or
/// [`forward`](Self::forward), for connections that exist and for new ones. Connections that have
/// lost bytes are closed then, since the next reply on them would be that of another request. All
/// connections end when the proxy is dropped.
pub struct FaultProxy {
    url: String,
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy to the server of `url`, which begins with `redis://`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for other URLs, such as those of TLS or Unix sockets, and the errors of the
    /// operating system.
    pub fn to(url: &str) -> io::Result<Self> {
        let information = connection_info(url).map_err(invalid)?;
        let ConnectionAddr::Tcp(host, server_port) = information.addr() else {
            return Err(invalid("a FaultProxy forwards to a URL that begins with redis://"));
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let url =
            with_address(url, port).ok_or_else(|| invalid("its address cannot be replaced"))?;
        let server = (host.clone(), *server_port);
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { server, state, changed });
        let serving = shared.clone();
        let thread = thread::Builder::new().name("fault-proxy".into());
        let thread = thread.spawn(move || serving.serve(&listener))?;
        Ok(Self { url, port, shared, thread: Some(thread) })
    }

    /// The address for clients: the URL of the server, but for the host and the port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the fault: forwards as at the beginning.
    pub fn forward(&self) {
        self.shared.set(Fault::None);
    }

    /// Closes all connections, and each new one at once, as when the server is down.
    ///
    /// With [`forward`](Self::forward) right after it, only the present connections are lost.
    pub fn cut(&self) {
        self.shared.set(Fault::Cut);
    }

    /// Delivers each reply late by `time`. A reply that arrives in several pieces is late by that
    /// much for each.
    pub fn delay(&self, time: Duration) {
        self.shared.set(Fault::Delay(time));
    }

    /// Delivers requests but no replies: the server carries them out, and the client cannot know.
    pub fn swallow_replies(&self) {
        self.shared.set(Fault::SwallowReplies);
    }

    /// Delivers nothing while connections stay open for the client, as when the server's machine
    /// has lost its power or network. To the server they are closed.
    pub fn half_open(&self) {
        self.shared.set(Fault::HalfOpen);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.end();
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let (Some(thread), Ok(_)) = (self.thread.take(), woken) {
            let _ = thread.join();
        }
    }
}

/// Shows no URL: it may contain a password.
impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.shared.state().fault;
        let mut shown = f.debug_struct("FaultProxy");
        shown.field("port", &self.port).field("fault", &fault).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Fault {
    #[default]
    None,
    Cut,
    Delay(Duration),
    SwallowReplies,
    HalfOpen,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Requests,
    Replies,
}

/// The state that the threads of a proxy share: one that accepts, and two for each connection.
struct Shared {
    server: (String, u16),
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    fault: Fault,
    has_ended: bool,
    open: HashMap<usize, Connection>,
}

struct Connection {
    streams: Arc<Streams>,
    /// Whether bytes were dropped, so that it must never deliver again.
    is_lossy: bool,
}

struct Streams {
    client: TcpStream,
    server: TcpStream,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Fault) {
        self.state().set(fault);
        self.changed.notify_all();
    }

    fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        state.set(Fault::Cut);
        self.changed.notify_all();
    }

    /// Accepts connections until the end, and waits for their threads.
    fn serve(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            for (number, client) in listener.incoming().enumerate() {
                if self.state().has_ended {
                    break;
                }
                let opened = client.and_then(|client| self.open(number, client));
                let Ok(streams) = opened else { continue };
                for direction in [Direction::Requests, Direction::Replies] {
                    let streams = streams.clone();
                    let pump = move || self.pump(number, &streams, direction);
                    if thread::Builder::new().spawn_scoped(scope, pump).is_err() {
                        self.state().close(number);
                    }
                }
            }
        });
    }

    /// Connects a client to the server. One that the fault refuses is dropped, and so closed.
    fn open(&self, number: usize, client: TcpStream) -> io::Result<Arc<Streams>> {
        let refused = || Err(io::ErrorKind::ConnectionRefused.into());
        if self.state().fault == Fault::Cut {
            return refused();
        }
        let (host, port) = &self.server;
        let server = TcpStream::connect((host.as_str(), *port))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let streams = Arc::new(Streams { client, server });
        let mut state = self.state();
        let is_lossy = state.fault == Fault::HalfOpen;
        match state.fault {
            Fault::Cut => return refused(),
            Fault::HalfOpen => streams.server.shutdown(Shutdown::Both)?,
            Fault::None | Fault::Delay(_) | Fault::SwallowReplies => {}
        }
        state.open.insert(number, Connection { streams: streams.clone(), is_lossy });
        Ok(streams)
    }

    /// Delivers bytes from one end, as far as the fault allows, until that end closes.
    fn pump(&self, number: usize, streams: &Streams, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::Requests => (&streams.client, &streams.server),
            Direction::Replies => (&streams.server, &streams.client),
        };
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(length @ 1..) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => break,
            };
            match self.admits(number, direction) {
                Some(true) if to.write_all(&buffer[..length]).is_err() => break,
                Some(_) => {}
                None => break,
            }
        }
        let mut state = self.state();
        // The client of a half-open connection does not learn of its end.
        if direction == Direction::Requests || state.fault != Fault::HalfOpen {
            state.close(number);
        }
    }

    /// Returns whether bytes that have come may pass, or `None` if their connection is closed.
    fn admits(&self, number: usize, direction: Direction) -> Option<bool> {
        let mut state = self.state();
        let is_reply = direction == Direction::Replies;
        if let (Fault::Delay(time), true) = (state.fault, is_reply) {
            let waits = |state: &mut State| {
                state.fault == Fault::Delay(time) && state.open.contains_key(&number)
            };
            let waited = self.changed.wait_timeout_while(state, time, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let passes = match state.fault {
            Fault::None | Fault::Delay(_) | Fault::Cut => true,
            Fault::SwallowReplies => !is_reply,
            Fault::HalfOpen => false,
        };
        let connection = state.open.get_mut(&number)?;
        connection.is_lossy |= !passes;
        Some(passes)
    }
}

impl State {
    fn set(&mut self, fault: Fault) {
        self.fault = fault;
        self.open.retain(|_, connection| {
            let stays = !connection.is_lossy && fault != Fault::Cut;
            if !stays {
                connection.streams.close();
            }
            stays
        });
        if fault == Fault::HalfOpen {
            for connection in self.open.values_mut() {
                connection.is_lossy = true;
                let _ = connection.streams.server.shutdown(Shutdown::Both);
            }
        }
    }

    fn close(&mut self, number: usize) {
        if let Some(connection) = self.open.remove(&number) {
            connection.streams.close();
        }
    }
}

impl Streams {
    /// Either end may have closed its side already.
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// The URL with the address of the proxy.
fn with_address(url: &str, port: u16) -> Option<String> {
    let mut url = redis::parse_redis_url(url)?;
    url.set_host(Some(&Ipv4Addr::LOCALHOST.to_string())).ok()?;
    url.set_port(Some(port)).ok()?;
    Some(url.into())
}

fn invalid(reason: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.to_string())
}

const BUFFER: usize = 16 * 1024;
