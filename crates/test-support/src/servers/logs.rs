//! The logs of servers of tests.

use redis_collections::LocalServer;
use std::fs;

/// How much of a log is worth printing.
const LINES: usize = 60;

/// The end of the log of a server since it was last started.
pub fn log_of(server: &LocalServer) -> String {
    let log = fs::read_to_string(server.unix_socket().with_file_name("log")).unwrap_or_default();
    end_of(&log)
}

pub fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("    {line}\n")).collect()
}

/// The value of a field of `INFO`, or a question mark.
pub fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(value).unwrap_or("?")
}
