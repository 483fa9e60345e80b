//! A client's own runtime, for work that must continue when its caller's runtime ends.

use std::convert::Infallible;
use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{self, Sender};

use crate::lock::Lock;

/// A thread that runs tasks. It is started on first use, and ends with this value and its last
/// task.
#[derive(Default)]
pub(crate) struct Background {
    thread: Lock<Option<Thread>>,
}

/// A handle of the running thread.
#[derive(Clone)]
struct Thread {
    runtime: Handle,
    /// The thread continues for as long as one of these exists.
    alive: Sender<Infallible>,
}

impl Background {
    /// Runs `work` to its end.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let Thread { runtime, alive } = self.thread()?;
        runtime.spawn(async move {
            work.await;
            drop(alive);
        });
        Ok(())
    }

    /// Returns the thread, which is started if necessary.
    fn thread(&self) -> io::Result<Thread> {
        let mut thread = self.thread.lock();
        if let Some(thread) = &*thread {
            return Ok(thread.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (alive, mut done) = mpsc::channel(1);
        let started = Thread { runtime: runtime.handle().clone(), alive };
        let until_done = move || runtime.block_on(async { while done.recv().await.is_some() {} });
        std::thread::Builder::new().name("redis-waiting".into()).spawn(until_done)?;
        Ok(thread.insert(started).clone())
    }
}
