//! Being told to stop, by Ctrl-C or a signal.

use std::io;
use std::sync::mpsc::{self, Receiver};

use crate::failure::Failure;

/// Something comes when the program is to end. Called once.
pub fn stop() -> Result<Receiver<()>, Failure> {
    let (stop, stopped) = mpsc::channel();
    let told = move || {
        // Nobody listens any more when the program ends anyway.
        let _ = stop.send(());
    };
    ctrlc::set_handler(told).map_err(io::Error::other)?;
    Ok(stopped)
}
