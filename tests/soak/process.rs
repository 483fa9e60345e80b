//! The processes of a soak: this program with other arguments, which stop when their input ends.

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use redis_collections::StopHandle;

use support::servers::proxy::Proxy;
use support::{send_signal, within};

/// A process behind a proxy of its own.
pub(crate) struct Process {
    pub(crate) proxy: Proxy,
    pub(crate) record: PathBuf,
    /// A library to load that interrupts its system calls.
    interrupts: Option<PathBuf>,
    child: Child,
}

impl Process {
    pub(crate) fn start(
        arguments: &[&str],
        proxy: Proxy,
        record: PathBuf,
        interrupts: Option<PathBuf>,
    ) -> io::Result<Self> {
        let child = spawn(arguments, &proxy, &record, interrupts.as_deref())?;
        Ok(Self { proxy, record, interrupts, child })
    }

    /// As a crash does, with another process in its place.
    pub(crate) fn replace(&mut self, arguments: &[&str], record: PathBuf) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(arguments, &self.proxy, &record, self.interrupts.as_deref())?;
        self.record = record;
        Ok(())
    }

    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        send_signal(name, self.child.id()).map(drop)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(crate) fn request_stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Whether it ends by itself, with success.
    pub(crate) fn stops(&mut self, limit: Duration) -> bool {
        within(limit, || !matches!(self.child.try_wait(), Ok(None)))
            && self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a handle that stops when the input ends, even because the parent was killed.
pub(crate) fn stop_with_input() -> StopHandle {
    let stop = StopHandle::new();
    thread::spawn({
        let stop = stop.clone();
        move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            stop.stop();
        }
    });
    stop
}

fn spawn(
    arguments: &[&str],
    proxy: &Proxy,
    record: &Path,
    interrupts: Option<&Path>,
) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    if let Some(library) = interrupts {
        command.env("LD_PRELOAD", library).env("SIGNAL_TIMER_RESTARTS", "1");
    }
    command.args(arguments).arg(proxy.url()).arg(record).stdin(Stdio::piped()).spawn()
}
