use std::fmt;

use super::served;
use super::served::ServiceState;
use super::service::{Service, refuse_clusters};
use crate::client;
use crate::client::RoundTrips;
use crate::collections::{Cursor, Name};
use crate::error::Result;
use crate::keyword::names::{REGISTRY, ServiceName};

/// The keyword services of a server, for their clients.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::keyword::{self, KeywordError};
///
/// let dome = keyword::Client::new(&client).service("dome");
/// let error = dome.write("AZ", 12.5).unwrap_err();
/// assert_eq!(error.keyword_error(), Some(&KeywordError::NotServed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client<E = client::Client> {
    executor: E,
}

impl<E: RoundTrips> Client<E> {
    /// Creates a handle on the services of the server that `client` is connected to.
    pub fn new(client: &E) -> Self {
        Self { executor: client.clone() }
    }

    /// Returns a service, whether it exists or not. An invalid name is reported by the first call.
    pub fn service(&self, name: &str) -> Service<E> {
        Service::new(self.executor.clone(), name)
    }

    /// Returns the registered services, in the order of their names. `SSCAN`, O(services), plus a
    /// round trip; for Cauldron services `PUBSUB CHANNELS`, O(channels of the server) each.
    pub fn services(&self) -> E::Reply<Vec<ServiceState>> {
        let executor = self.executor.clone();
        self.executor.converse(async move {
            refuse_clusters(&executor, "services", None)?;
            let names = registered(&executor).await?;
            served::states(&executor, &names).await
        })
    }
}

/// Returns the names in the registry, sorted and without duplicates.
async fn registered<E: RoundTrips>(executor: &E) -> Result<Vec<ServiceName>> {
    let mut names = Vec::new();
    let mut cursor = Cursor::default();
    let registry = Name::from(REGISTRY);
    while !cursor.is_done() {
        let page = cursor.page(executor, None, "SSCAN", &registry, b"*").await?;
        let read = |name: &Vec<u8>| ServiceName::new(std::str::from_utf8(name).ok()?).ok();
        names.extend(page.iter().filter_map(read));
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    Ok(names)
}

impl<E> fmt::Debug for Client<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
