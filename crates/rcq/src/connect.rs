//! Connects to the servers of queues.

use redis_collections::Client;

use crate::arguments::Arguments;
use redis_collections_cli::failure::Failure;

/// Connects to the server, or to its cluster if it is a node of one. A client of a single node
/// would accept names without a hash tag, whose jobs no consumer of the cluster could claim.
pub(crate) fn client(arguments: &Arguments) -> Result<Client, Failure> {
    let options = &arguments.options;
    let cluster = || Client::cluster(&options.urls);
    if arguments.cluster {
        return Ok(cluster()?);
    }
    let client = options.open()?;
    if options.sentinel.is_some() {
        return Ok(client);
    }
    match cluster() {
        Ok(cluster) => Ok(cluster),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(_) => Ok(client),
    }
}
