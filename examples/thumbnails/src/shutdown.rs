//! The end of the program.

use redis_collections::StopHandle;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or Ctrl-C, and then stops the workers.
pub async fn stop_on_signal(stop: StopHandle) {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
    match kinds.map(signal) {
        [Ok(mut terminate), Ok(mut interrupt)] => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        // Without signals there is no graceful end.
        _ => std::future::pending().await,
    }
    stop.stop();
}
