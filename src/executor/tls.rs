use std::fmt;

use redis::{ClientTlsConfig, ConnectionAddr, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

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
        let information = connector.information().clone();
        let unusable = |reason: &str| Error::Configuration(reason.into());
        if !matches!(information.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(unusable("certificates are for URLs that begin with rediss://"));
        }
        self.check().map_err(unusable)?;
        let client_tls = self.client.clone();
        let client_tls =
            client_tls.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let certificates = TlsCertificates { client_tls, root_cert: self.roots.clone() };
        let client = redis::Client::build_with_tls(information, certificates);
        let client = client.map_err(|_| unusable("the certificates cannot be used"))?;
        connector.with(client.get_connection_info().clone())
    }

    /// Finds what is wrong. The messages of the library may cite a private key.
    fn check(&self) -> std::result::Result<(), &'static str> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = &self.roots {
            let certificates = certificates(pem).ok_or("the roots to trust are no PEM")?;
            let added = certificates.into_iter().try_for_each(|root| roots.add(root));
            added.map_err(|_| "a root to trust is no certificate")?;
        }
        if let Some((chain, key)) = &self.client {
            let chain = certificates(chain).ok_or("the client's certificates are no PEM")?;
            let key = PrivateKeyDer::from_pem_slice(key);
            let key = key.map_err(|_| "the client's private key is no PEM")?;
            let config = ClientConfig::builder().with_root_certificates(roots);
            let config = config.with_client_auth_cert(chain, key);
            config.map_err(|_| "the client's certificate and its private key do not match")?;
        }
        Ok(())
    }
}

/// The certificates in a PEM, if there are any.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem).map(|one| one.ok());
    certificates.collect::<Option<Vec<_>>>().filter(|certificates| !certificates.is_empty())
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}
