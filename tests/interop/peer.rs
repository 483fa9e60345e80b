//! Programs of Python that use the libraries.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use redis_collections::LocalServer;
use serde_json::Value as Json;

use support::{kinds::Kind, python::Python};

/// How long a line or a message is waited for, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server of one's own, and a client of a kind.
pub(crate) async fn start<C: Kind>() -> (LocalServer, C) {
    let server = LocalServer::start().expect("a server");
    let client = C::build(C::builder(server.url())).await.expect("a connection");
    (server, client)
}

/// A run of `peer.py`, which ends with this value.
pub(crate) struct Peer {
    process: Child,
    printed: Receiver<String>,
}

impl Peer {
    /// Starts a command, `[name, arguments…]`, on a server.
    pub(crate) fn start<'a>(
        server: &LocalServer,
        command: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut words = command.into_iter();
        let mut process = Command::new(format!("{root}/target/interop/bin/python"))
            .arg(format!("{root}/tests/interop/peer.py"))
            .args(words.next())
            .arg(server.port().to_string())
            .args(words)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python that `make interop` installs");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, printed) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, printed }
    }

    /// All that a command prints until it ends.
    pub(crate) fn run<'a>(
        server: &LocalServer,
        command: impl IntoIterator<Item = &'a str>,
    ) -> Vec<Json> {
        Self::start(server, command).lines()
    }

    /// As [`run`](Self::run), with many arguments more.
    pub(crate) fn run_with(
        server: &LocalServer,
        command: [&str; 2],
        arguments: &[impl AsRef<str>],
    ) -> Vec<Json> {
        Self::run(server, command.into_iter().chain(arguments.iter().map(AsRef::as_ref)))
    }

    /// What the one call of a command returns.
    pub(crate) fn call<'a>(
        server: &LocalServer,
        command: impl IntoIterator<Item = &'a str>,
    ) -> Python {
        let lines = Self::run(server, command);
        assert_eq!(lines.len(), 1, "{lines:?}");
        value(&lines[0])
    }

    /// The first of the following lines that fulfils a condition.
    pub(crate) fn expect_line(&self, what: &str, condition: impl Fn(&Json) -> bool) -> Json {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            match self.next_line(deadline) {
                Ok(line) if condition(&line) => return line,
                Ok(line) => others.push(line),
                Err(end) => panic!("no {what}: {end}, after {others:#?}"),
            }
        }
    }

    /// Waits until a long-running command has begun, with what it says of its state.
    pub(crate) fn expect_ready(&self) -> Json {
        self.expect_line("ready", |line| line["op"] == "ready")
    }

    /// All further lines until the command ends by itself.
    pub(crate) fn lines(mut self) -> Vec<Json> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            match self.next_line(deadline) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(timeout) => panic!("no end: {timeout}, after {lines:#?}"),
            }
        }
        let status = self.process.wait().expect("a status");
        assert!(status.success(), "{status}, after {lines:#?}");
        lines
    }

    fn next_line(&self, deadline: Instant) -> Result<Json, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = self.printed.recv_timeout(left)?;
        Ok(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It fails where the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a call of a library returned.
pub(crate) fn value(line: &Json) -> Python {
    Python::from_literal(&line["value"]).unwrap_or_else(|| panic!("no value: {line}"))
}

/// What a call of a library raised.
pub(crate) fn raised(line: &Json) -> &str {
    line["raises"].as_str().unwrap_or_else(|| panic!("nothing raised: {line}"))
}

/// Asserts that no call of a command raised anything.
pub(crate) fn assert_done(lines: &[Json]) {
    assert!(lines.iter().all(|line| line["raises"].is_null()), "{lines:#?}");
}
