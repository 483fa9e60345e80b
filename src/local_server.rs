//! A private server process for examples, doc tests and tests.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    fs::{DirBuilder, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::DirBuilderExt, net::UnixStream, process::CommandExt},
    path::{self, Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const START_LIMIT: Duration = Duration::from_secs(30);
const PORTS_TRIED: usize = 8;
/// A cluster node also listens on its port plus 10000.
const HIGHEST_PORT: u16 = u16::MAX - 10_000;
const LOG_SHOWN: usize = 2000;
/// Systems accept 103 to 107 bytes.
const LONGEST_SOCKET_PATH: usize = 103;
const SHORT_DIRECTORY: &str = "/tmp";

/// Becomes the server, under the same process id, once its owner has started the watchdog.
const SERVER: &str = r#"read -r _ && exec "$@" </dev/null"#;
/// Outlives the owner: the pipe it reads ends when the owner does, however that ends.
const WATCHDOG: &str = r#"read -r _; kill -s KILL "$1"; rm -rf "$2""#;

/// A private Redis or Valkey server, which ends with this value.
///
/// It runs the program that the environment variable `REDIS_SERVER` names, otherwise the
/// `valkey-server` or else the `redis-server` on `PATH`. It listens on a free port of 127.0.0.1 and
/// on a socket in a private temporary directory, and persists nothing. When the value is dropped or
/// the owning process ends, even by SIGKILL, the server is killed and its directory removed. Unix
/// only.
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
        let program = find_program()?;
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let directory = PrivateDirectory::create()?;
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match ServerProcess::start(&program, &arguments, port, &directory.0) {
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
    pub fn unix_socket(&self) -> PathBuf {
        socket_in(&self.directory.0)
    }

    /// The id of the server process itself, to send signals to; another one after a restart.
    pub fn process_id(&self) -> u32 {
        self.process.server.id()
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
            ServerProcess::start(&self.program, &self.arguments, self.port, &self.directory.0)?;
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

/// The server process and its watchdog.
struct ServerProcess {
    server: Child,
    watchdog: Child,
}

impl ServerProcess {
    fn start(
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
    fn kill(&mut self) -> io::Result<()> {
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

/// A directory that only its owner can read, removed on drop.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("redis-collections-{}-{number}", process::id());
            // The server changes to its directory.
            let mut path = path::absolute(env::temp_dir().join(&name))?;
            if socket_in(&path).as_os_str().len() > LONGEST_SOCKET_PATH {
                path = Path::new(SHORT_DIRECTORY).join(&name);
            }
            match DirBuilder::new().mode(0o700).create(&path) {
                // Left behind by an earlier process that had the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|()| Self(path)),
            }
        }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Finds the program of the server.
fn find_program() -> io::Result<OsString> {
    if let Some(program) = env::var_os("REDIS_SERVER").filter(|program| !program.is_empty()) {
        return Ok(program);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    ["valkey-server", "redis-server"]
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)))
        .find(|program| program.is_file())
        .map(PathBuf::into_os_string)
        .ok_or_else(|| no_program(&"valkey-server or redis-server".into()))
}

fn no_program(program: &OsString) -> io::Error {
    let advice = "install Valkey or Redis (Debian, Ubuntu: apt-get install redis-server; macOS: \
        brew install redis) or set REDIS_SERVER to the path of its server program";
    let message = format!("cannot run {}: {advice}", program.display());
    io::Error::new(io::ErrorKind::NotFound, message)
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

/// A shell in a process group of its own, so that Ctrl-C in a terminal reaches only the owner.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).stdin(Stdio::piped()).process_group(0);
    command
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("socket")
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
