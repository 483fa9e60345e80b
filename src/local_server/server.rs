use std::{
    ffi::OsString,
    fmt, io,
    net::{Ipv4Addr, TcpListener},
};

#[cfg(unix)]
use super::directory::{PrivateDirectory, socket_in};
#[cfg(unix)]
use super::process::ServerProcess;
use super::program::find_program;
#[cfg(not(unix))]
use super::unsupported::{PrivateDirectory, ServerProcess};

/// A private Redis or Valkey server, which ends with this value.
///
/// It runs the program that the environment variable `REDIS_SERVER` names, otherwise the
/// `valkey-server` or else the `redis-server` on `PATH`. It listens on a free port of 127.0.0.1 and
/// on a socket in a private temporary directory, and persists nothing. When the value is dropped or
/// the owning process ends, even by SIGKILL, the server is killed and its directory removed.
/// Elsewhere than on Unix every start is an error.
///
/// The directory is in `/tmp` if `TMPDIR` is too long for the path of a socket.
///
/// ```
/// use redis_collections::LocalServer;
/// use std::{
///     io::{Read, Write},
///     net::TcpStream,
/// };
///
/// let server = LocalServer::start()?;
/// let mut connection = TcpStream::connect(("127.0.0.1", server.port()))?;
/// connection.write_all(b"PING\r\n")?;
/// let mut reply = [0; 7];
/// connection.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"+PONG\r\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalServer {
    // Dropped in this order: the server ends before its directory is removed.
    process: ServerProcess,
    directory: PrivateDirectory,
    program: OsString,
    arguments: Vec<String>,
    port: u16,
    url: String,
}

impl LocalServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// `NotFound`, with what to install, if there is no server program; otherwise the server's
    /// output when it ended or did not answer within 30 seconds.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `["--appendonly", "yes"]`.
    ///
    /// They override the defaults, except the port, the socket and the directory.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let directory = PrivateDirectory::create()?;
        let program = find_program()?;
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match ServerProcess::start(&program, &arguments, port, directory.path()) {
                Ok(process) => {
                    let url = format!("redis://{}:{port}/", Ipv4Addr::LOCALHOST);
                    return Ok(Self { process, directory, program, arguments, port, url });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < PORTS_TRIED => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The address for clients, `redis://127.0.0.1:PORT/`, without any credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of the Unix socket that the server also listens on.
    #[cfg(unix)]
    pub fn unix_socket(&self) -> std::path::PathBuf {
        socket_in(self.directory.path())
    }

    /// The id of the server process itself, to send signals to; another one after a restart.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the server immediately, like a crash; its directory stays for a restart.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn stop(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Ends the server if it runs, and starts it on the same port with the same arguments.
    ///
    /// Waits until it answers and, with persistence on, until it has loaded its data.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and `AddrInUse` if another program has taken the port.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        self.process =
            ServerProcess::start(&self.program, &self.arguments, self.port, self.directory.path())?;
        Ok(())
    }
}

impl fmt::Debug for LocalServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LocalServer")
            .field("url", &self.url)
            .field("process_id", &self.process_id())
            .finish_non_exhaustive()
    }
}

/// A port that is free now. Other programs may take it before the server does.
fn free_port() -> io::Result<u16> {
    let any_port = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    let mut port = any_port()?.port();
    for _ in 0..PORTS_TRIED {
        if port <= HIGHEST_PORT {
            break;
        }
        port = any_port()?.port();
    }
    Ok(port)
}

const PORTS_TRIED: usize = 8;
/// A cluster node also listens on its port plus 10000.
const HIGHEST_PORT: u16 = u16::MAX - 10_000;
