//! The first exchange on an async connection.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::AsyncStream;
use crate::error::code::serves;

/// Makes the server answer once. An error that it sends unasked, because it refuses the connection,
/// is not an answer to a command, and means that there is no connection. The driver would drop it
/// if it came before a command was sent.
pub(crate) async fn greet(stream: &mut Box<dyn AsyncStream>) -> io::Result<()> {
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
    stream.flush().await?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if stream.read_buf(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.len() > LONGEST_GREETING {
            return Err(io::Error::new(io::ErrorKind::InvalidData, NO_PONG));
        }
    }
    let line = String::from_utf8_lossy(&line);
    let refusal = line.trim_end().strip_prefix('-');
    match refusal {
        None if line.starts_with('+') => Ok(()),
        Some(refusal) if serves(refusal.split(' ').next().unwrap_or_default()) => Ok(()),
        Some(refusal) => {
            let refusal = format!("the server refuses connections: {refusal}");
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, refusal))
        }
        None => Err(io::Error::new(io::ErrorKind::InvalidData, NO_PONG)),
    }
}

const LONGEST_GREETING: usize = 1000;

pub(crate) const NO_PONG: &str = "unexpected reply to PING";
