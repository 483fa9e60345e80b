//! The certificates of the options.

use redis_collections::ClientBuilder;

use crate::failure::Failure;
use crate::options::Options;

/// Applies the certificates, if any are given.
#[cfg(feature = "tls")]
pub(crate) fn apply(options: &Options, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
    let builder = match &options.ca {
        Some(file) => builder.root_certificates(read("--ca", file)?),
        None => builder,
    };
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            Ok(builder.client_certificate(read("--cert", cert)?, read("--key", key)?))
        }
        (None, None) => Ok(builder),
        _ => Err(Failure::usage("--cert and --key need each other".into())),
    }
}

#[cfg(feature = "tls")]
fn read(option: &str, file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::usage(format!("{option}: cannot read {}: {error}", file.display()))
    })
}

/// Refuses certificates, if any are given.
#[cfg(not(feature = "tls"))]
pub(crate) fn apply(options: &Options, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
    match (&options.ca, &options.cert, &options.key) {
        (None, None, None) => Ok(builder),
        _ => {
            let problem = "--ca, --cert and --key need a program that was built with the feature \
                           `tls`; this one was built without it";
            Err(Failure::usage(problem.into()))
        }
    }
}
