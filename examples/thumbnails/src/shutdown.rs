//! The end of the program.

use tokio::signal::unix::{self, SignalKind};

/// Waits for SIGTERM or Ctrl-C.
pub async fn signal() {
    match [SignalKind::terminate(), SignalKind::interrupt()].map(unix::signal) {
        [Ok(mut terminate), Ok(mut interrupt)] => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        // Without signals there is no graceful end.
        _ => std::future::pending().await,
    }
}
