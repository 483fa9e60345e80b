//! The commands at the beginning of a connection, and the meaning of their replies. Without I/O.

use std::io;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerError, Value, cmd};

use super::connector::Connector;
use crate::error::code::{asks_to_reconnect, is_transient};
use crate::random::nonce;

/// The commands with which a connection begins, at least one: only a reply shows that the server
/// accepts commands, and that both sides of a TLS connection accept each other's certificates.
pub(crate) struct Handshake {
    commands: Vec<(Step, Cmd)>,
    password: Option<String>,
}

/// The purpose of a command of the handshake.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Hello,
    Authenticate,
    Select,
    Name,
    Ping,
}

impl Handshake {
    /// The commands that the settings of `connector` require, or else a `PING`.
    pub(crate) fn new(connector: &Connector) -> Self {
        let settings = connector.information().redis_settings();
        let (user, password) = (settings.username(), settings.password());
        let mut commands = Vec::new();
        if settings.protocol().supports_resp3() {
            let mut hello = cmd("HELLO");
            hello.arg(3);
            if let Some(password) = password {
                hello.arg("AUTH").arg(user.unwrap_or("default")).arg(password);
            }
            commands.push((Step::Hello, hello));
        } else if let Some(password) = password {
            let mut authenticate = cmd("AUTH");
            authenticate.arg(user).arg(password);
            commands.push((Step::Authenticate, authenticate));
        }
        if settings.db() != 0 {
            commands.push((Step::Select, cmd("SELECT").arg(settings.db()).clone()));
        }
        if let Some(name) = &connector.name {
            commands.push((Step::Name, cmd("CLIENT").arg("SETNAME").arg(name).clone()));
        }
        if commands.is_empty() {
            commands.push((Step::Ping, cmd("PING")));
        }
        Self { commands, password: password.map(str::to_owned) }
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// All commands in one buffer.
    pub(crate) fn packed(&self) -> Vec<u8> {
        self.commands.iter().flat_map(|(_, command)| command.get_packed_command()).collect()
    }

    /// Returns whether the connection can be used, after the `replies` that arrived and the
    /// `failure` that ended it, if one did. A server refuses a connection with an error followed by
    /// the end.
    pub(crate) fn conclude(
        &self,
        replies: &[Value],
        failure: Option<RedisError>,
    ) -> RedisResult<()> {
        let errors =
            self.commands.iter().zip(replies).filter_map(|((step, _), reply)| match reply {
                Value::ServerError(error) => Some((*step, error)),
                _ => None,
            });
        let mut errors = errors.filter(|(step, _)| failure.is_some() || *step != Step::Ping);
        match (errors.next(), failure) {
            (Some((_, error)), Some(failure)) if !failure.is_timeout() => {
                let refusal = format!("the server refuses connections: {}", self.quote(error));
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, refusal).into())
            }
            (_, Some(failure)) => Err(failure),
            (Some((step, error)), None) => Err(step.refusal(error, self.quote(error))),
            (None, None) => Ok(()),
        }
    }

    /// The server's message, unless it repeats the password.
    fn quote(&self, error: &ServerError) -> String {
        let details = error.details().unwrap_or_default();
        match &self.password {
            Some(password) if !password.is_empty() && details.contains(&**password) => {
                error.code().to_owned()
            }
            _ => quoted(error),
        }
    }
}

impl Step {
    /// The error of a refused step, in the terms of the driver. Its kind tells whether the same
    /// settings could be accepted later.
    pub(crate) fn refusal(self, error: &ServerError, quote: String) -> RedisError {
        if is_transient(error.code()) {
            return error.clone().into();
        }
        let (kind, problem) = match self {
            Step::Hello if error.code() != "WRONGPASS" => {
                (ErrorKind::RESP3NotSupported, "the server refuses RESP3")
            }
            Step::Hello | Step::Authenticate => {
                (ErrorKind::AuthenticationFailed, "Password authentication failed")
            }
            Step::Select => {
                (ErrorKind::InvalidClientConfig, "Redis server refused to switch database")
            }
            Step::Name | Step::Ping => {
                (ErrorKind::InvalidClientConfig, "the server refuses the client's name")
            }
        };
        (kind, problem, quote).into()
    }
}

/// The server's message, with its code.
pub(crate) fn quoted(error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    format!("{} {details}", error.code()).trim_end().to_owned()
}

/// A request that only a server in step can answer: not one that still owes another reply, nor one
/// that only queues commands for a transaction.
pub(crate) struct Probe {
    nonce: String,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self { nonce: nonce() }
    }

    pub(crate) fn packed(&self) -> Vec<u8> {
        cmd("PING").arg(&self.nonce).get_packed_command()
    }

    /// Returns whether `reply` answers the probe. A server that may not or cannot answer for the
    /// moment is in step too.
    pub(crate) fn is_answered_by(&self, reply: &Value) -> bool {
        match reply {
            Value::BulkString(bytes) => *bytes == self.nonce.as_bytes(),
            Value::ServerError(error) => match error.code() {
                "NOPERM" | "NOAUTH" => true,
                code => is_transient(code) && !asks_to_reconnect(code),
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(url: &str, name: Option<&str>) -> Handshake {
        let mut connector = Connector::new(url).unwrap();
        connector.name = name.map(str::to_owned);
        Handshake::new(&connector)
    }

    fn replies(text: &str) -> Vec<Value> {
        let mut parser = redis::Parser::new();
        let mut bytes = text.as_bytes();
        std::iter::from_fn(|| parser.parse_value(&mut bytes).ok()).collect()
    }

    #[test]
    fn the_url_determines_the_commands_of_the_handshake() {
        for (url, name, commands) in [
            ("redis://h", None, vec!["PING"]),
            ("redis://:s3cret@h", None, vec!["AUTH s3cret"]),
            ("redis://me:s3cret@h/3", Some("n"), vec!["AUTH me s3cret", "SELECT 3", NAMED]),
            ("redis://h/?protocol=resp3", None, vec!["HELLO 3"]),
            ("redis://:s3cret@h/?protocol=resp3", None, vec!["HELLO 3 AUTH default s3cret"]),
            ("redis://h", Some("n"), vec![NAMED]),
            ("redis://me@h", None, vec!["AUTH me "]),
            ("redis://me:@h", None, vec!["AUTH me "]),
            ("redis://me@h/?protocol=resp3", None, vec!["HELLO 3 AUTH me "]),
            ("unix:///a?user=me", None, vec!["AUTH me "]),
        ] {
            let handshake = handshake(url, name);
            let said = handshake.commands.iter().map(|(_, command)| {
                let words = command.args_iter().filter_map(|argument| match argument {
                    redis::Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
                    _ => None,
                });
                words.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(said.collect::<Vec<_>>(), commands, "{url}");
        }
    }

    #[test]
    fn an_error_before_a_close_refuses_the_connection_and_others_their_command() {
        use std::io::ErrorKind::{TimedOut, UnexpectedEof};
        let long = "redis://me:s3cret@h/3";
        let max = "-ERR max number of clients reached\r\n";
        for (url, text, end, expected) in [
            ("redis://h", "+PONG\r\n", None, Ok(())),
            ("redis://h", "-LOADING not yet\r\n", None, Ok(())),
            ("redis://h", "-NOAUTH first\r\n", None, Ok(())),
            ("redis://h", max, Some(UnexpectedEof), Err("refuses connections: ERR max number")),
            ("redis://h", "", Some(UnexpectedEof), Err("end of file")),
            ("redis://h", max, Some(TimedOut), Err("timed out")),
            (long, max, Some(UnexpectedEof), Err("refuses connections: ERR max number")),
            (long, "+OK\r\n+OK\r\n", None, Ok(())),
            (long, "-WRONGPASS x\r\n-NOAUTH\r\n", None, Err("authentication failed")),
            (long, "-ERR unknown, with `me` `s3cret`\r\n+OK\r\n", None, Err("failed")),
            (long, "+OK\r\n-ERR DB index is out of range\r\n", None, Err("switch database")),
            ("redis://me@h/3", "-WRONGPASS x\r\n-NOAUTH\r\n", None, Err("WRONGPASS x")),
        ] {
            let failure = end.map(|kind| io::Error::from(kind).into());
            let concluded = handshake(url, None).conclude(&replies(text), failure);
            let said = concluded.as_ref().map_err(RedisError::to_string);
            match (expected, &said) {
                (Ok(()), Ok(())) => {}
                (Err(part), Err(said)) => assert!(said.contains(part), "{text}: {said}"),
                _ => panic!("{text}: {said:?}"),
            }
            assert!(!format!("{concluded:?}").contains("s3cret"));
        }
    }

    #[test]
    fn only_a_server_in_step_answers_a_probe() {
        let probe = Probe::new();
        let nonce = probe.nonce.clone();
        let own = format!("${}\r\n{nonce}\r\n", nonce.len());
        for (reply, is_answer) in [
            (&*own, true),
            ("-NOPERM no\r\n", true),
            ("-NOAUTH no\r\n", true),
            ("-LOADING not yet\r\n", true),
            ("-MISCONF no disk\r\n", true),
            ("-MASTERDOWN a new connection may help\r\n", false),
            ("-ERR of another command\r\n", false),
            ("+QUEUED\r\n", false),
            ("+PONG\r\n", false),
            ("+OK\r\n", false),
            ("$5\r\nother\r\n", false),
            (":1\r\n", false),
        ] {
            assert_eq!(probe.is_answered_by(&replies(reply)[0]), is_answer, "{reply}");
        }
    }

    const NAMED: &str = "CLIENT SETNAME n";
}
