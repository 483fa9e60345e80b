//! A server with scripted answers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Answers every command that needs an answer with one and the same reply.
pub(crate) struct Scripted {
    url: String,
    answers: Arc<Mutex<Answers>>,
    counts: Arc<Counts>,
}

/// What was written of unusual replies.
#[derive(Default)]
struct Counts {
    /// How many replies in several pieces.
    in_pieces: AtomicUsize,
    /// How many bytes of replies without an end.
    endless: AtomicUsize,
}

#[derive(Default)]
struct Answers {
    /// Replies to commands that have a certain argument.
    right: Vec<(&'static str, &'static str)>,
    /// The reply to all others.
    wrong: &'static str,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("redis://{}/", listener.local_addr().expect("an address"));
        let answers = Arc::<Mutex<Answers>>::default();
        let counts = Arc::<Counts>::default();
        let shared = (answers.clone(), counts.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, counts) = shared.clone();
                thread::spawn(move || answer(stream, &answers, &counts));
            }
        });
        Self { url, answers, counts }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many replies in several pieces were written.
    pub(crate) fn written(&self) -> usize {
        self.counts.in_pieces.load(Ordering::SeqCst)
    }

    /// How many bytes of replies without an end were written.
    pub(crate) fn endless_bytes(&self) -> usize {
        self.counts.endless.load(Ordering::SeqCst)
    }

    /// From now on commands get this reply, unless they have an argument that has a right one.
    pub(crate) fn say(&self, right: &[(&'static str, &'static str)], wrong: &'static str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers = Answers { right: right.to_vec(), wrong };
    }
}

/// Separates the pieces of a reply.
const LATER: char = '|';

/// Ends a reply that has no end: the same byte, or the same push message, follows until the client
/// closes the connection.
const ENDLESS: char = '…';

fn answer(stream: TcpStream, answers: &Mutex<Answers>, counts: &Counts) {
    // Each piece of a reply goes out at once.
    let Ok(mut writer) = stream.set_nodelay(true).and_then(|()| stream.try_clone()) else { return };
    let mut reader = BufReader::new(stream);
    while let Some(command) = command(&mut reader) {
        let reply = match &command[0].to_uppercase()[..] {
            "PING" => "+PONG\r\n",
            "SELECT" | "AUTH" | "CLIENT" => "+OK\r\n",
            _ => {
                let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                let is_about = |(word, _): &&(&str, _)| command.iter().any(|it| it == word);
                answers.right.iter().find(is_about).map_or(answers.wrong, |(_, reply)| reply)
            }
        };
        for part in reply.split_inclusive(LATER) {
            if writer.write_all(part.trim_end_matches([LATER, ENDLESS]).as_bytes()).is_err() {
                return;
            }
        }
        counts.in_pieces.fetch_add(usize::from(reply.contains(LATER)), Ordering::SeqCst);
        let more = match reply.strip_suffix(ENDLESS) {
            Some(push) if push.starts_with('>') => push.repeat(1000).into_bytes(),
            _ => vec![b'1'; 8192],
        };
        while reply.ends_with(ENDLESS) {
            match writer.write(&more) {
                Ok(bytes) => counts.endless.fetch_add(bytes, Ordering::SeqCst),
                Err(_) => return,
            };
        }
    }
}

/// The next command, if one comes.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    (0..number(reader, '*')?).map(|_| argument(reader)).collect()
}

fn argument(reader: &mut impl BufRead) -> Option<String> {
    let mut argument = vec![0; number(reader, '$')? + 2];
    reader.read_exact(&mut argument).ok()?;
    argument.truncate(argument.len() - 2);
    Some(String::from_utf8_lossy(&argument).into_owned())
}

/// The number of a line that begins with `mark`.
fn number(reader: &mut impl BufRead, mark: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
