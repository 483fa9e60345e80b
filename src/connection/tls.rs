use std::fmt;
use std::sync::Arc;

use redis::{ClientTlsConfig, ConnectionAddr, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::connector::Connector;
use crate::error::{Error, Result};

/// The user's own certificates, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    /// The client's certificate chain and its private key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    /// Returns `connector` with these certificates, if there are any.
    pub(crate) fn applied(&self, mut connector: Connector) -> Result<Connector> {
        // The driver panics if the process has no provider of cryptography, or several.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let has_own = self.roots.is_some() || self.client.is_some();
        let information = connector.information().clone();
        let unusable = |reason: &str| Error::Configuration(reason.into());
        match information.addr() {
            ConnectionAddr::TcpTls { .. } => {
                connector.tls = Some(Arc::new(self.config().map_err(unusable)?));
            }
            _ if has_own => {
                return Err(unusable("certificates are for URLs that begin with rediss://"));
            }
            _ => {}
        }
        if !has_own {
            return Ok(connector);
        }
        let client_tls = self.client.clone();
        let client_tls =
            client_tls.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let certificates = TlsCertificates { client_tls, root_cert: self.roots.clone() };
        let client = redis::Client::build_with_tls(information, certificates);
        let client = client.map_err(|_| unusable("the certificates cannot be used"))?;
        connector.with(client.get_connection_info().clone())
    }

    /// Returns the configuration of a handshake, or a description of the problem. The library's own
    /// messages may quote a private key.
    fn config(&self) -> std::result::Result<ClientConfig, &'static str> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Some(pem) => {
                let certificates = certificates(pem).ok_or("the roots to trust are no PEM")?;
                let added = certificates.into_iter().try_for_each(|root| roots.add(root));
                added.map_err(|_| "a root to trust is no certificate")?;
            }
            // System certificates that cannot be read are not trusted; a handshake then fails.
            None => {
                let of_system = rustls_native_certs::load_native_certs().certs;
                roots.add_parsable_certificates(of_system);
            }
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some((chain, key)) = &self.client else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(chain).ok_or("the client's certificates are no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|_| "the client's private key is no PEM")?;
        let config = config.with_client_auth_cert(chain, key);
        config.map_err(|_| "the client's certificate and its private key do not match")
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
