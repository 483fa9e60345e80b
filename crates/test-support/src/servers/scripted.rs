//! A server that answers as a test wants, with a thread for each connection. They end with it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// The answer to a command.
pub enum Answer {
    Say(&'static str),
    /// Says nothing, and goes on.
    Nothing,
    /// Ends the connection.
    Cut,
}

/// Answers the commands of each connection, known by its number from 0 on.
pub struct Scripted {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    is_ending: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Scripted {
    /// Says `first` on each new connection, which ends then if there is something to say.
    pub fn refusing(first: &'static str) -> io::Result<Self> {
        Self::start(Some(first), |_, _| Answer::Cut)
    }

    pub fn answering(
        answer: impl Fn(usize, &[Vec<u8>]) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start(None, answer)
    }

    fn start(
        first: Option<&'static str>,
        answer: impl Fn(usize, &[Vec<u8>]) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let thread = thread::spawn(move || {
            thread::scope(|scope| {
                while let Ok((stream, _)) = listener.accept() {
                    if serving.is_ending.load(Ordering::SeqCst) {
                        return;
                    }
                    let number = serving.connections.fetch_add(1, Ordering::SeqCst);
                    let mut open = serving.open.lock().unwrap_or_else(PoisonError::into_inner);
                    open.extend(stream.try_clone());
                    drop(open);
                    let answer = &answer;
                    scope.spawn(move || {
                        // The client may have gone.
                        let _ = match first {
                            Some(first) => refuse(stream, first),
                            None => serve(stream, |command| answer(number, command)),
                        };
                    });
                }
            });
        });
        Ok(Self { port, shared, thread: Some(thread) })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        let _wakes_the_listener = TcpStream::connect(("127.0.0.1", self.port));
        let open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        drop(open);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Refuses a connection as servers do, without reading the bytes of the client.
fn refuse(mut stream: TcpStream, first: &str) -> io::Result<()> {
    stream.write_all(first.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    // Unread bytes would reset the connection, and the client might miss the refusal.
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

fn serve(mut stream: TcpStream, answer: impl Fn(&[Vec<u8>]) -> Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut received, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..length]);
        let (mut used, mut said, mut is_cut) = (0, Vec::new(), false);
        while !is_cut && let Some((length, command)) = command(&received[used..]) {
            used += length;
            match answer(&command) {
                Answer::Say(reply) => said.extend_from_slice(reply.as_bytes()),
                Answer::Nothing => {}
                Answer::Cut => is_cut = true,
            }
        }
        received.drain(..used);
        stream.write_all(&said)?;
        if is_cut {
            return stream.shutdown(Shutdown::Both);
        }
    }
}

/// The first command, and how many bytes it has, if it is complete.
fn command(bytes: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let number = |at: usize| {
        let length = bytes.get(at..)?.windows(2).position(|end| end == b"\r\n")?;
        let number = std::str::from_utf8(&bytes[at + 1..at + length]).ok()?.parse().ok()?;
        Some((number, at + length + 2))
    };
    let (arguments, mut at) = number(0)?;
    let mut command = Vec::new();
    for _ in 0..arguments {
        let (length, start): (usize, usize) = number(at)?;
        command.push(bytes.get(start..start + length)?.to_vec());
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some((at, command))
}
