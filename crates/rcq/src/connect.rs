//! Connects to the servers of queues.

use redis_collections::Client;

use crate::arguments::Arguments;
use redis_collections_cli::connect::Connected;
use redis_collections_cli::failure::Failure;

/// Connects to the server, or to its cluster if it is a node of one. A client of a single node
/// would accept names without a hash tag, whose jobs no consumer of the cluster could claim.
pub(crate) fn client(arguments: &Arguments) -> Result<Client, Failure> {
    if arguments.cluster {
        return arguments.options.connect_to_cluster();
    }
    match arguments.options.connect()? {
        Connected::Alone(client) | Connected::Cluster(client) => Ok(client),
    }
}
