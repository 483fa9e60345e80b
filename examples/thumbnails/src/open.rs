//! All parts of the service put together.

use axum::middleware;
use redis_collections::{AsyncClient, Error};

use crate::app::App;
use crate::store::Store;
use crate::{flags, images, info, settings};

impl App {
    /// All keys begin with `prefix`.
    pub async fn open(client: &AsyncClient, prefix: &str) -> Result<Self, Error> {
        let store = Store::new(client, prefix);
        let settings = settings::open(client, prefix);
        let flags = flags::open(client, prefix).await?;
        let infos = info::open(client, prefix, store.originals.clone())?;
        let routes = images::routes(store.clone())
            .merge(settings::routes(settings.clone()))
            .merge(info::routes(infos))
            .layer(middleware::from_fn_with_state(flags, flags::refuse_changes));
        Ok(Self { store, settings, routes })
    }
}
