#![allow(dead_code, unused_imports, unused_macros, reason = "each test program uses a part of it")]

pub(crate) mod cluster;
pub(crate) mod concurrent;
pub(crate) mod counters;
pub(crate) mod kinds;
pub(crate) mod leftovers;
pub(crate) mod logs;
pub(crate) mod maps;
pub(crate) mod patient;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod scripted;
pub(crate) mod sentinel;
pub(crate) mod servers;
pub(crate) mod staleness;
pub(crate) mod tls;
pub(crate) mod waiting;
pub(crate) mod warnings;
pub(crate) mod wire;
pub(crate) mod workload;

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

pub(crate) use waiting::{
    BETWEEN_LOOKS, IDLE, LATE, eventually, wait_until, within, within_in_task,
};

/// Returns whether there was such a process. Where there is `/proc`, one that gets `STOP` has
/// stopped then.
pub(crate) fn send_signal(name: &str, process_id: u32) -> io::Result<bool> {
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
pub(crate) struct Lines(BufReader<TcpStream>);

impl Lines {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn set_patience(&self, limit: Duration) -> io::Result<()> {
        self.0.get_ref().set_read_timeout(Some(limit))
    }

    pub(crate) fn send(&mut self, commands: &str) -> io::Result<()> {
        self.0.get_mut().write_all(commands.as_bytes())
    }

    /// One line of a reply; an empty one is the end of the connection.
    pub(crate) fn receive(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }

    pub(crate) fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(&format!("{command}\r\n"))?;
        self.receive()
    }
}

/// The first line of the reply to one command on a connection of its own.
pub(crate) fn ask(port: u16, command: &str) -> io::Result<String> {
    Lines::connect(port)?.ask(command)
}
