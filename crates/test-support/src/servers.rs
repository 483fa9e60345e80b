//! Starts and queries clusters, sentinels and servers with TLS.

pub mod cluster;
pub mod logs;
pub mod proxy;
pub mod scripted;
pub mod sentinel;
pub mod tls;

use super::within;
use redis::{Client, Cmd, FromRedisValue, RedisResult};
use std::{error::Error, io, net::TcpListener, time::Duration};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Long enough for an election that had to be repeated on a busy machine. Only a failure takes so
/// long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server refuses others with BUSY when a script has run for five seconds, which a busy machine
/// makes of a tenth.
pub const NEVER_BUSY: [&str; 2] = ["--lua-time-limit", "600000"];

/// How long a server that hangs is waited for.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// The reply to a command without spaces in its arguments, on a connection of its own.
pub fn query<T: FromRedisValue>(url: &str, command: &str) -> RedisResult<T> {
    let mut words = Cmd::new();
    for word in command.split_whitespace() {
        words.arg(word);
    }
    run(url, &words)
}

/// As [`query`], for any command.
pub fn run<T: FromRedisValue>(url: &str, command: &Cmd) -> RedisResult<T> {
    let mut connection = Client::open(url)?.get_connection_with_timeout(REPLY_LIMIT)?;
    connection.set_read_timeout(Some(REPLY_LIMIT))?;
    command.query(&mut connection)
}

pub fn url(port: u16, password: Option<&str>) -> String {
    let credentials = password.map(|password| format!(":{password}@")).unwrap_or_default();
    format!("redis://{credentials}127.0.0.1:{port}/")
}

/// Waits until the condition holds; that it fails may pass as well.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> Outcome<bool>) -> Outcome {
    let mut last = Ok(false);
    let holds = within(PATIENCE, || {
        last = condition();
        matches!(last, Ok(true))
    });
    if holds { Ok(()) } else { Err(format!("waited in vain for {what}: {last:?}").into()) }
}

/// Returns whether a client of this name waits for something on a server.
pub fn is_blocked(url: &str, name: &str) -> bool {
    let clients: String = query(url, "CLIENT LIST").unwrap_or_default();
    let name = format!(" name={name} ");
    clients.lines().any(|client| client.contains(&name) && client.contains(" flags=b "))
}

/// Other programs may take the port before a server does.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
