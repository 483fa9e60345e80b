use std::fmt;

use redis::{ClientTlsConfig, TlsCertificates};

use super::connection::Connector;
use crate::error::{Error, Result};

/// Certificates of a user's own, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    /// The client's chain and its private key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    /// `connector` with these certificates, if there are any.
    pub(crate) fn applied(&self, connector: Connector) -> Result<Connector> {
        // The driver panics where the process has no provider of cryptography, or several.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if self.roots.is_none() && self.client.is_none() {
            return Ok(connector);
        }
        let client_tls = self.client.clone();
        let client_tls =
            client_tls.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let certificates = TlsCertificates { client_tls, root_cert: self.roots.clone() };
        let information = connector.information().clone();
        let client = redis::Client::build_with_tls(information, certificates);
        let client = client.map_err(|error| Error::Configuration(error.to_string()))?;
        connector.with(client.get_connection_info().clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}
