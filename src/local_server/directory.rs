//! The directory of a server, with its socket.

use std::{
    env,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{self, Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A directory that only its owner can read, removed on drop.
pub(super) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    pub(super) fn create() -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("redis-collections-{}-{number}", process::id());
            // The server changes to its directory.
            let mut path = path::absolute(env::temp_dir().join(&name))?;
            if socket_in(&path).as_os_str().len() > LONGEST_SOCKET_PATH {
                path = Path::new(SHORT_DIRECTORY).join(&name);
            }
            match DirBuilder::new().mode(0o700).create(&path) {
                // Left behind by an earlier process that had the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|()| Self(path)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The path of the socket in the directory of a server.
pub(super) fn socket_in(directory: &Path) -> PathBuf {
    directory.join("socket")
}

/// Systems accept 103 to 107 bytes.
const LONGEST_SOCKET_PATH: usize = 103;
const SHORT_DIRECTORY: &str = "/tmp";
