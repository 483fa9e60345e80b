//! The program of a server.

use std::{env, ffi::OsString, io, path::PathBuf};

/// Finds the program of the server.
pub(super) fn find_program() -> io::Result<OsString> {
    if let Some(program) = env::var_os("REDIS_SERVER").filter(|program| !program.is_empty()) {
        return Ok(program);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    ["valkey-server", "redis-server"]
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)))
        .find(|program| program.is_file())
        .map(PathBuf::into_os_string)
        .ok_or_else(|| no_program(&"valkey-server or redis-server".into()))
}

/// The error where a program cannot be run, with advice on how to get one.
pub(super) fn no_program(program: &OsString) -> io::Error {
    let advice = "install Valkey or Redis (Debian, Ubuntu: apt-get install redis-server; macOS: \
        brew install redis) or set REDIS_SERVER to the path of its server program";
    let message = format!("cannot run {}: {advice}", program.display());
    io::Error::new(io::ErrorKind::NotFound, message)
}
