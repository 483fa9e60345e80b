//! A server process and its watchdog.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::directory::socket_in;
use super::program::no_program;

/// The server process and its watchdog.
pub(super) struct ServerProcess {
    server: Child,
    watchdog: Child,
}

impl ServerProcess {
    /// Starts the server and waits until it answers.
    pub(super) fn start(
        program: &OsString,
        arguments: &[String],
        port: u16,
        directory: &Path,
    ) -> io::Result<Self> {
        let log = directory.join("log");
        let output = File::create(&log)?;
        let mut server = shell(SERVER)
            .arg(program)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--daemonize", "no", "--loglevel", "warning"])
            .args(arguments)
            .args(["--port", &port.to_string()])
            .arg("--unixsocket")
            .arg(socket_in(directory))
            .arg("--dir")
            .arg(directory)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let permission_to_run = server.stdin.take();
        // Without that permission the server's shell ends by itself if this fails.
        let watchdog = shell(WATCHDOG)
            .arg(server.id().to_string())
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut process = Self { server, watchdog };
        if let Some(mut pipe) = permission_to_run {
            pipe.write_all(b"\n")?;
        }
        process.wait_until_ready(program, &log, &socket_in(directory))?;
        Ok(process)
    }

    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Polls the socket: only this server can answer there, and it opens its port first.
    fn wait_until_ready(
        &mut self,
        program: &OsString,
        log: &Path,
        socket: &Path,
    ) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !answers(socket) {
            let problem = if let Some(status) = self.server.try_wait()? {
                format!("ended with {status}")
            } else if Instant::now() > deadline {
                format!("did not answer within {} seconds", START_LIMIT.as_secs())
            } else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let printed = fs::read(log)?;
            let printed = &printed[printed.len().saturating_sub(LOG_SHOWN)..];
            let printed = String::from_utf8_lossy(printed);
            let kind = match self.server.try_wait()?.and_then(|status| status.code()) {
                Some(126 | 127) => return Err(no_program(program)),
                Some(_) if printed.contains("Address already in use") => io::ErrorKind::AddrInUse,
                Some(_) => io::ErrorKind::Other,
                None => io::ErrorKind::TimedOut,
            };
            let program = program.display();
            return Err(io::Error::new(kind, format!("{program} {problem}: {}", printed.trim())));
        }
        Ok(())
    }

    /// The server first: until it is reaped, no other process can have the id that the watchdog
    /// kills.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        for child in [&mut self.server, &mut self.watchdog] {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A shell in a process group of its own, so that Ctrl-C in a terminal reaches only the owner.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).stdin(Stdio::piped()).process_group(0);
    command
}

/// Returns whether the server answers. Any reply to PING will do, including a request for a
/// password, but not that data is still loading.
///
/// Waits for the server to close this connection, after which it has forgotten it.
fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut connection = UnixStream::connect(socket)?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"PING\r\nQUIT\r\n")?;
        let mut replies = Vec::new();
        connection.take(1024).read_to_end(&mut replies)?;
        io::Result::Ok(!replies.is_empty() && !replies.starts_with(b"-LOADING"))
    };
    ask().unwrap_or(false)
}

const START_LIMIT: Duration = Duration::from_secs(30);
const LOG_SHOWN: usize = 2000;

/// Becomes the server, under the same process id, once its owner has started the watchdog.
const SERVER: &str = r#"read -r _ && exec "$@" </dev/null"#;
/// Outlives the owner: the pipe it reads ends when the owner does, however that ends.
const WATCHDOG: &str = r#"read -r _; kill -s KILL "$1"; rm -rf "$2""#;
