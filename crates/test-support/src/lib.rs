//! Code that the test programs share. A program needs a part of it only.

#![allow(async_fn_in_trait, reason = "only tests of this workspace call them")]

pub mod concurrent;
pub mod contract;
pub mod counters;
pub mod events;
pub mod kinds;
pub mod leftovers;
pub mod maps;
pub mod patient;
pub mod program;
pub mod python;
pub mod servers;
pub mod staleness;
pub mod waiting;
pub mod wire;
pub mod workload;

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

pub use waiting::{IDLE, LATE, POLL_INTERVAL, eventually, within, within_in_task};

/// Returns whether there was such a process. Where there is `/proc`, one that gets `STOP` has
/// stopped then.
pub fn send_signal(name: &str, process_id: u32) -> io::Result<bool> {
    let mut kill = Command::new("kill");
    let status = kill.args(["-s", name, &process_id.to_string()]).stderr(Stdio::null()).status()?;
    if status.success() && name == "STOP" && !eventually(|| has_stopped(process_id)) {
        return Err(io::Error::other(format!("process {process_id} does not stop")));
    }
    Ok(status.success())
}

/// Returns whether each thread has stopped or ended: until the first of them notices the signal,
/// the others go on.
fn has_stopped(process_id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process_id}/task"));
    threads.into_iter().flatten().flatten().all(|thread| {
        let state = fs::read_to_string(thread.path().join("stat"));
        state.map_or(true, |state| {
            state.rsplit_once(") ").is_some_and(|(_, it)| it.starts_with(['T', 'Z']))
        })
    })
}

/// A plain connection that speaks the server's protocol in lines.
pub struct Lines(BufReader<TcpStream>);

impl Lines {
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn set_patience(&self, limit: Duration) -> io::Result<()> {
        self.0.get_ref().set_read_timeout(Some(limit))
    }

    pub fn send(&mut self, commands: &str) -> io::Result<()> {
        self.0.get_mut().write_all(commands.as_bytes())
    }

    /// One line of a reply; an empty one is the end of the connection.
    pub fn receive(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }

    pub fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(&format!("{command}\r\n"))?;
        self.receive()
    }
}

/// The first line of the reply to one command on a connection of its own.
pub fn ask(port: u16, command: &str) -> io::Result<String> {
    Lines::connect(port)?.ask(command)
}
