//! An HTTP server and a worker, which end together.

use axum::Router;
use redis_collections::StopHandle;
use tokio::net::TcpListener;

use crate::BoxError;
use crate::settings::UserSettings;
use crate::store::Store;
use crate::worker::make_thumbnail;

#[derive(Debug)]
pub struct App {
    pub store: Store,
    pub settings: UserSettings,
    pub routes: Router,
}

impl App {
    /// Runs until `ended`, and then finishes the requests and the jobs that have begun.
    pub async fn run(
        self,
        listener: TcpListener,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), BoxError> {
        let state = (self.store.clone(), self.settings);
        let worker = self.store.jobs.worker_with(state, async |job, (store, settings)| {
            let settings = settings.get(&job.user).await?.unwrap_or_default();
            make_thumbnail(&store, job.image, settings.width).await
        });
        let worker = worker.concurrency(4);

        let stop = StopHandle::new();
        let stopping = stop.clone();
        let server = axum::serve(listener, self.routes).with_graceful_shutdown(async move {
            ended.await;
            stopping.stop();
        });
        let server = async { Ok::<_, BoxError>(server.await?) };
        let worker = async { Ok(worker.run(&stop).await?) };
        tokio::try_join!(server, worker)?;
        Ok(())
    }
}
