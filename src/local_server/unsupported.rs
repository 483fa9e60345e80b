//! Stand-ins for a server process on systems where none can be started.

use std::{ffi::OsString, io, path::Path};

/// Never exists.
pub(super) enum ServerProcess {}

impl ServerProcess {
    pub(super) fn start(_: &OsString, _: &[String], _: u16, _: &Path) -> io::Result<Self> {
        Err(unsupported())
    }

    pub(super) fn id(&self) -> u32 {
        match *self {}
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        match *self {}
    }
}

/// Never exists.
pub(super) enum PrivateDirectory {}

impl PrivateDirectory {
    pub(super) fn create() -> io::Result<Self> {
        Err(unsupported())
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }
}

fn unsupported() -> io::Error {
    let message = "a LocalServer can be started on Unix only";
    io::Error::new(io::ErrorKind::Unsupported, message)
}
