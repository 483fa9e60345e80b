//! A server that knows fewer kinds of notifications: a proxy that has a setting refused as Redis
//! 6.2 does.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Before a server. The error comes from the server itself, by a script in the place of the
/// command, so that replies stay in their order.
pub(crate) struct Older {
    url: String,
}

impl Older {
    pub(crate) fn before(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("redis://{}/", listener.local_addr()?);
        thread::spawn(move || {
            for inward in listener.incoming().map_while(Result::ok) {
                let Ok(outward) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (Ok(mut replies), Ok(mut back)) = (outward.try_clone(), inward.try_clone())
                else {
                    continue;
                };
                thread::spawn(move || {
                    let _ = io::copy(&mut replies, &mut back);
                    let _ = back.shutdown(Shutdown::Both);
                });
                thread::spawn(move || pass_on(inward, outward));
            }
        });
        Ok(Self { url })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn pass_on(inward: TcpStream, mut outward: TcpStream) {
    let mut reader = BufReader::new(inward);
    while let Some(mut command) = command(&mut reader) {
        if let [config, set, setting, kinds] = &command[..]
            && (&config[..], &set[..]) == (b"CONFIG", b"SET")
            && kinds.contains(&b'n')
        {
            let (setting, kinds) = [setting, kinds].map(|it| String::from_utf8_lossy(it)).into();
            let error = format!("ERR Invalid argument '{kinds}' for CONFIG SET '{setting}'");
            let script = b"return redis.error_reply(ARGV[1])".to_vec();
            command = vec![b"EVAL".to_vec(), script, b"0".to_vec(), error.into_bytes()];
        }
        let mut line = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            line.extend(format!("${}\r\n", argument.len()).as_bytes());
            line.extend(argument);
            line.extend(b"\r\n");
        }
        if outward.write_all(&line).is_err() {
            break;
        }
    }
    let _ = outward.shutdown(Shutdown::Both);
}

fn command(reader: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    (0..number(reader, '*')?).map(|_| argument(reader)).collect()
}

fn argument(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut argument = vec![0; number(reader, '$')? + 2];
    reader.read_exact(&mut argument).ok()?;
    argument.truncate(argument.len() - 2);
    Some(argument)
}

fn number(reader: &mut impl BufRead, mark: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
