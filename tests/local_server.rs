//! The life of a private server process.

use redis_collections::LocalServer;
use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use support::{ask, eventually, send_signal};

type Outcome = Result<(), Box<dyn Error>>;

/// Set in a test program that another one has started to play the other side of one test.
const CHILD: &str = "LOCAL_SERVER_CHILD";

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

fn child_in(test: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").stdin(Stdio::piped());
    Ok(command)
}

fn runs(process_id: u32) -> io::Result<bool> {
    let mut kill = Command::new("kill");
    let status = kill.args(["-0", &process_id.to_string()]).stderr(Stdio::null()).status()?;
    Ok(status.success())
}

#[test]
fn two_servers_share_nothing() -> Outcome {
    let (first, second) = (LocalServer::start()?, LocalServer::start()?);
    assert_ne!(first.port(), second.port());
    assert_eq!(first.url(), format!("redis://127.0.0.1:{}/", first.port()));
    assert_eq!(ask(first.port(), "SET key here")?, "+OK\r\n");
    assert_eq!(ask(first.port(), "EXISTS key")?, ":1\r\n");
    assert_eq!(ask(second.port(), "EXISTS key")?, ":0\r\n");
    Ok(())
}

#[test]
fn the_server_and_its_directory_end_with_the_value() -> Outcome {
    let server = LocalServer::start()?;
    let (process_id, socket) = (server.process_id(), server.unix_socket());
    assert!(runs(process_id)? && socket.exists());
    drop(server);
    assert!(!runs(process_id)?);
    assert!(socket.parent().is_some_and(|directory| !directory.exists()));
    Ok(())
}

#[test]
fn a_suspended_server_ends_at_once() -> Outcome {
    let server = LocalServer::start()?;
    let process_id = server.process_id();
    assert!(send_signal("STOP", process_id)?);
    let start = Instant::now();
    drop(server);
    assert!(!runs(process_id)?);
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[test]
fn the_server_ends_when_its_owner_is_killed() -> Outcome {
    if is_child() {
        let server = LocalServer::start()?;
        println!("\nserver {} {}", server.port(), server.unix_socket().display());
        io::stdin().lines().for_each(drop);
        return Ok(());
    }
    let mut command = child_in("the_server_ends_when_its_owner_is_killed")?;
    let mut owner = command.stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(owner.stdout.take().ok_or("no output")?);
    let line = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("server ").map(str::to_owned))
        .ok_or("no server")?;
    let (port, socket) = line.split_once(' ').ok_or("no socket")?;
    let port = port.parse()?;
    assert_eq!(ask(port, "PING")?, "+PONG\r\n");
    owner.kill()?;
    owner.wait()?;
    assert!(eventually(|| ask(port, "PING").is_err()));
    assert!(eventually(|| Path::new(socket).parent().is_some_and(|path| !path.exists())));
    Ok(())
}

#[test]
fn a_missing_program_is_an_error_with_advice() -> Outcome {
    if is_child() {
        let error = LocalServer::start().err().ok_or("started")?;
        println!("\n{:?}: {error}", error.kind());
        return Ok(());
    }
    let environments = [
        ("REDIS_SERVER", "/nowhere/to-be-found", "cannot run /nowhere/to-be-found: install"),
        ("REDIS_SERVER", "/", "cannot run /: install"),
        ("PATH", "/nowhere", "cannot run valkey-server or redis-server: install"),
    ];
    for (variable, value, message) in environments {
        let mut child = child_in("a_missing_program_is_an_error_with_advice")?;
        let output = child.env_remove("REDIS_SERVER").env(variable, value).output()?;
        let output = String::from_utf8(output.stdout)?;
        assert!(output.contains(&format!("\nNotFound: {message}")), "{output}");
        assert!(output.contains("or set REDIS_SERVER"), "{output}");
    }
    Ok(())
}

#[test]
fn the_directory_for_temporary_files_may_have_any_name() -> Outcome {
    if is_child() {
        let server = LocalServer::start()?;
        assert_eq!(ask(server.port(), "PING")?, "+PONG\r\n");
        let mut connection = UnixStream::connect(server.unix_socket())?;
        connection.write_all(b"PING\r\n")?;
        let mut reply = [0; 7];
        connection.read_exact(&mut reply)?;
        println!("\nanswers {}", reply == *b"+PONG\r\n");
        return Ok(());
    }
    let base = env::temp_dir().join(format!("names-{}", std::process::id()));
    let longer = |length: usize| "x".repeat(length.saturating_sub(base.as_os_str().len() + 1));
    let names = ["a b", "it's \"x\"", "$HOME;x", "tmp-æ"].map(str::to_owned);
    for name in names.into_iter().chain([74, 75, 92, 110, 200].map(longer)) {
        let directory = base.join(&name);
        fs::create_dir_all(&directory)?;
        for (tmpdir, inside) in
            [(directory.as_path(), base.as_path()), (Path::new("."), &directory)]
        {
            let mut child = child_in("the_directory_for_temporary_files_may_have_any_name")?;
            let output = child.env("TMPDIR", tmpdir).current_dir(inside).output()?;
            let output = String::from_utf8(output.stdout)?;
            assert!(output.contains("\nanswers true"), "{name} as {tmpdir:?}: {output}");
        }
        assert!(fs::read_dir(&directory)?.next().is_none(), "{name}: something is left");
    }
    fs::remove_dir_all(&base)?;
    Ok(())
}

#[test]
fn arguments_reach_the_server() -> Outcome {
    let cases: [(&[&str], _, _); 4] = [
        (&[], "PING", "+PONG\r\n"),
        (&["--requirepass", "secret"], "PING", "-NOAUTH Authentication required.\r\n"),
        (
            &["--maxclients", "1", "--databases", "1"],
            "SELECT 1",
            "-ERR DB index is out of range\r\n",
        ),
        (&["--cluster-enabled", "yes"], "CLUSTER COUNTKEYSINSLOT 0", ":0\r\n"),
    ];
    for (arguments, command, reply) in cases {
        let server = LocalServer::start_with(arguments)?;
        assert_eq!(ask(server.port(), command)?, reply, "{arguments:?}");
        assert!(!format!("{server:?}").contains("secret"));
    }
    Ok(())
}

#[test]
fn an_argument_the_server_refuses_is_an_error_with_its_output() -> Outcome {
    let error = LocalServer::start_with(&["--no-such-option", "1"]).err().ok_or("started")?;
    assert!(error.to_string().contains("no-such-option"), "{error}");
    Ok(())
}

#[test]
fn a_restart_keeps_the_port_the_arguments_and_the_persisted_data() -> Outcome {
    for (appendonly, exists) in [("yes", ":1\r\n"), ("no", ":0\r\n")] {
        let mut server = LocalServer::start_with(&["--appendonly", appendonly])?;
        let (port, process_id) = (server.port(), server.process_id());
        assert_eq!(ask(port, "SET key value")?, "+OK\r\n");
        assert!(send_signal("KILL", process_id)?);
        server.restart()?;
        assert_eq!(server.port(), port);
        assert_ne!(server.process_id(), process_id);
        assert_eq!(ask(port, "EXISTS key")?, exists, "appendonly {appendonly}");
    }
    Ok(())
}

#[test]
fn a_stopped_server_refuses_until_it_can_restart() -> Outcome {
    let mut server = LocalServer::start()?;
    server.stop()?;
    server.stop()?;
    let refused = ask(server.port(), "PING").err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
    let intruder = TcpListener::bind(("127.0.0.1", server.port()))?;
    let taken = server.restart().err().map(|error| error.kind());
    assert_eq!(taken, Some(ErrorKind::AddrInUse));
    drop(intruder);
    server.restart()?;
    assert_eq!(ask(server.port(), "PING")?, "+PONG\r\n");
    Ok(())
}
