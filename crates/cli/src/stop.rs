//! Stops a program at Ctrl-C or a signal.

use std::io;
use std::sync::mpsc::{self, Receiver};

use crate::failure::Failure;

/// Returns a channel that receives a message when the program must end. Must be called only once.
pub fn stop() -> Result<Receiver<()>, Failure> {
    let (stop, stopped) = mpsc::channel();
    let handler = move || {
        // The receiver is gone if the program is ending anyway.
        let _ = stop.send(());
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)?;
    Ok(stopped)
}
