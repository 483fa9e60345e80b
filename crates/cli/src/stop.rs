//! Stops a program at Ctrl-C, at a signal, or when its standard output has lost its reader.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
#[cfg(unix)]
use std::thread;

#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, poll};

use crate::failure::Failure;

/// Returns a channel that receives a message when the program must end. Must be called only once.
pub fn stop() -> Result<Receiver<()>, Failure> {
    let (stop, stopped) = mpsc::channel();
    let closed = stop.clone();
    let on_signal = move || {
        // The receiver is gone if the program is ending anyway.
        let _ = stop.send(());
    };
    ctrlc::set_handler(on_signal).map_err(io::Error::other)?;
    stop_when_unread(closed)?;
    Ok(stopped)
}

/// Sends a message when standard output loses its reader: a program that prints only changes would
/// notice the loss with the next change. The thread ends with the program.
#[cfg(unix)]
fn stop_when_unread(stop: Sender<()>) -> io::Result<()> {
    let wait = move || {
        if wait_until_unread() {
            let _ = stop.send(());
        }
    };
    thread::Builder::new().name("stdout".into()).spawn(wait).map(drop)
}

/// Does nothing: other systems cannot wait for the loss, which the next line shows.
#[cfg(not(unix))]
fn stop_when_unread(_: Sender<()>) -> io::Result<()> {
    Ok(())
}

/// Blocks until standard output has no reader any more. Returns `false` if that cannot be known.
#[cfg(unix)]
fn wait_until_unread() -> bool {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, UNREAD)];
    loop {
        match poll(&mut watched, None) {
            Ok(_) => return watched[0].revents().intersects(UNREAD),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// A pipe whose reader has closed it, or a terminal that was hung up.
#[cfg(unix)]
const UNREAD: PollFlags = PollFlags::ERR.union(PollFlags::HUP);
