//! A TCP proxy in front of a server: it counts round trips and makes faults.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

#[derive(Debug, Clone, Copy)]
pub enum Direction {
    Requests,
    Replies,
}

/// Forwards to a port of 127.0.0.1; its connections and threads end with it.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server_port: AtomicU16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    new_listener: Option<TcpListener>,
    listening: bool,
    refusing: bool,
    ending: bool,
    connections: usize,
    round_trips: usize,
    open: HashMap<usize, Connection>,
    held: [bool; 2],
    /// Whether something has come since then that waits for the release.
    has_held: bool,
    listeners_held: bool,
    bytes_until_cut: [Option<usize>; 2],
    move_at: Option<(usize, u16)>,
    reply_delay: Duration,
    /// Whether replies are delivered byte by byte.
    drips: bool,
}

struct Connection {
    streams: Arc<Streams>,
    answered: bool,
    /// Whether the client has subscribed to something.
    listens: bool,
}

struct Streams {
    client: TcpStream,
    server: TcpStream,
}

impl Proxy {
    pub fn to(server_port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let state = State { new_listener: Some(listener), listening: true, ..State::default() };
        let state = Mutex::new(state);
        let shared =
            Arc::new(Shared { server_port: server_port.into(), state, changed: Condvar::new() });
        let thread = Some(thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve()
        }));
        Ok(Self { port, shared, thread })
    }

    /// Forwards to another port from the next connection on, whatever was announced before.
    pub fn lead_to(&self, server_port: u16) {
        self.shared.state().move_at = None;
        self.shared.server_port.store(server_port, Ordering::Relaxed);
    }

    /// Forwards to another port from the round trip on that comes after so many more, and closes
    /// all connections that there are by then.
    pub fn lead_to_after(&self, round_trips: usize, server_port: u16) {
        let mut state = self.shared.state();
        state.move_at = Some((state.round_trips + round_trips, server_port));
    }

    /// Whether the move announced by [`lead_to_after`](Self::lead_to_after) has happened.
    pub fn has_moved(&self) -> bool {
        self.shared.state().move_at.is_none()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Connections accepted.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// How often a client began to send for the first time or after the server had answered. The
    /// greeting of a new connection and the probe of an idle one do not count.
    pub fn round_trips(&self) -> usize {
        self.shared.state().round_trips
    }

    /// Counts connections and round trips from zero again.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        (state.connections, state.round_trips) = (0, 0);
    }

    /// Closes the connection, once, that carries the last of so many more bytes.
    ///
    /// With 0 the next byte is no longer delivered.
    pub fn cut_after(&self, bytes: usize, direction: Direction) {
        self.shared.state().bytes_until_cut[direction as usize] = Some(bytes);
    }

    /// Delivers nothing in this direction until [`release`](Self::release).
    pub fn hold(&self, direction: Direction) {
        let mut state = self.shared.state();
        state.held[direction as usize] = true;
        state.has_held = false;
    }

    /// Whether something has come since [`hold`](Self::hold) that it holds.
    pub fn has_held(&self) -> bool {
        self.shared.state().has_held
    }

    /// Delivers nothing on connections that subscribe to something until
    /// [`release`](Self::release).
    pub fn hold_listeners(&self) {
        self.shared.state().listeners_held = true;
    }

    /// Delivers everything held, and from now on at once.
    pub fn release(&self) {
        self.shared.change(|state| (state.held, state.listeners_held) = ([false; 2], false));
    }

    /// Waits for `delay` before each piece of a reply.
    pub fn delay_replies(&self, delay: Duration) {
        self.shared.state().reply_delay = delay;
    }

    /// Waits for `delay` before each byte of a reply.
    pub fn drip_replies(&self, delay: Duration) {
        self.shared.change(|state| (state.reply_delay, state.drips) = (delay, true));
    }

    /// Closes all present connections.
    pub fn kill(&self) {
        self.shared.change(State::close_all);
    }

    /// Refuses new connections, as when no server listens; present ones go on.
    pub fn refuse(&self) {
        self.shared.change(|state| state.refusing = true);
        let _wakes_the_listener = TcpStream::connect(("127.0.0.1", self.port));
        drop(self.shared.wait_while(|state| state.listening));
        // A process that is just being started has the socket too, until it runs its program.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {}
    }

    /// Accepts connections again after [`refuse`](Self::refuse).
    pub fn accept(&self) -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        self.shared.change(|state| {
            state.new_listener = Some(listener);
            (state.listening, state.refusing) = (true, false);
        });
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|state| state.ending = true);
        self.refuse();
        self.kill();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait_while(&self, condition: impl Fn(&mut State) -> bool) -> MutexGuard<'_, State> {
        let state = self.changed.wait_while(self.state(), |state| condition(state));
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut numbers = 0..;
        thread::scope(|scope| {
            while let Some(listener) = self.next_listener() {
                while let Ok((client, _)) = listener.accept()
                    && !self.state().refusing
                {
                    let Some(number) = numbers.next() else { return };
                    let Ok(streams) = self.open(number, client) else { continue };
                    for direction in [Direction::Requests, Direction::Replies] {
                        let streams = Arc::clone(&streams);
                        scope.spawn(move || self.forward(number, &streams, direction));
                    }
                }
                drop(listener);
                self.change(|state| state.listening = false);
            }
        });
    }

    fn next_listener(&self) -> Option<TcpListener> {
        self.wait_while(|state| state.new_listener.is_none() && !state.ending).new_listener.take()
    }

    fn open(&self, number: usize, client: TcpStream) -> io::Result<Arc<Streams>> {
        self.state().connections += 1;
        let server = TcpStream::connect(("127.0.0.1", self.server_port.load(Ordering::Relaxed)))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let streams = Arc::new(Streams { client, server });
        let connection =
            Connection { streams: Arc::clone(&streams), answered: true, listens: false };
        self.state().open.insert(number, connection);
        Ok(streams)
    }

    fn forward(&self, number: usize, streams: &Streams, direction: Direction) {
        let (mut from, to) = match direction {
            Direction::Requests => (&streams.client, &streams.server),
            Direction::Replies => (&streams.server, &streams.client),
        };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if matches!(direction, Direction::Requests) && subscribes(&buffer[..length]) {
                self.state().listens(number);
            }
            let is_counted =
                matches!(direction, Direction::Requests) && !is_ping(&buffer[..length]);
            if is_counted {
                let mut state = self.state();
                state.count_request(number);
                let round_trips = state.round_trips;
                if let Some((_, port)) = state.move_at.take_if(|(at, _)| *at < round_trips) {
                    self.server_port.store(port, Ordering::Relaxed);
                    state.close_all();
                    break;
                }
            }
            if self.deliver(number, &buffer[..length], to, direction).is_none() {
                break;
            }
        }
        self.change(|state| state.close(number));
    }

    /// Passes on the bytes that came, or returns `None` where the connection ends.
    fn deliver(
        &self,
        number: usize,
        mut bytes: &[u8],
        mut to: &TcpStream,
        direction: Direction,
    ) -> Option<()> {
        while !bytes.is_empty() {
            let drips = matches!(direction, Direction::Replies) && self.state().drips;
            let (piece, rest) = bytes.split_at(if drips { 1 } else { bytes.len() });
            let (delivered, cut) = self.admit(number, piece.len(), direction)?;
            to.write_all(&piece[..delivered]).ok().filter(|()| !cut)?;
            bytes = rest;
        }
        Some(())
    }

    /// How many of the bytes that came may pass, once they may, and whether the cut follows them.
    fn admit(&self, number: usize, length: usize, direction: Direction) -> Option<(usize, bool)> {
        let mut state = self.state();
        if matches!(direction, Direction::Replies) {
            let (delay, is_open) = (state.reply_delay, |state: &mut State| state.is_open(number));
            let waited = self.changed.wait_timeout_while(state, delay, is_open);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        let mut state = self.wait_while(|state| {
            let is_held = state.is_held(number, direction);
            state.has_held |= is_held;
            is_held
        });
        let connection = state.open.get_mut(&number)?;
        connection.answered |= matches!(direction, Direction::Replies);
        let Some(left) = state.bytes_until_cut[direction as usize] else {
            return Some((length, false));
        };
        let after = left.checked_sub(length).filter(|after| *after > 0);
        state.bytes_until_cut[direction as usize] = after;
        Some((length.min(left), after.is_none()))
    }
}

impl State {
    fn is_open(&self, number: usize) -> bool {
        self.open.contains_key(&number)
    }

    fn is_held(&self, number: usize, direction: Direction) -> bool {
        let Some(connection) = self.open.get(&number) else { return false };
        self.held[direction as usize] || (self.listeners_held && connection.listens)
    }

    fn listens(&mut self, number: usize) {
        if let Some(connection) = self.open.get_mut(&number) {
            connection.listens = true;
        }
    }

    fn count_request(&mut self, number: usize) {
        if let Some(connection) = self.open.get_mut(&number)
            && connection.answered
        {
            connection.answered = false;
            self.round_trips += 1;
        }
    }

    fn close(&mut self, number: usize) {
        if let Some(Connection { streams, .. }) = self.open.remove(&number) {
            // Either end may have closed its side already.
            let _ = streams.client.shutdown(Shutdown::Both);
            let _ = streams.server.shutdown(Shutdown::Both);
        }
    }

    fn close_all(&mut self) {
        let numbers: Vec<_> = self.open.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.close(number));
    }
}

fn subscribes(requests: &[u8]) -> bool {
    requests.windows(SUBSCRIBE.len()).any(|window| window == SUBSCRIBE)
}

/// Returns whether these bytes are the greeting of a new connection, or the probe of an idle one,
/// which a busy machine may need.
fn is_ping(request: &[u8]) -> bool {
    const GREETING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
    const PROBE: &[u8] = b"*2\r\n$4\r\nPING\r\n$16\r\n";
    const NONCE_AND_END: usize = 18;
    request == GREETING
        || request.strip_prefix(PROBE).is_some_and(|nonce| nonce.len() == NONCE_AND_END)
}

const SUBSCRIBE: &[u8] = b"SUBSCRIBE\r\n";
