//! A real server that speaks TLS, and the certificates for both sides.

use super::servers::{Outcome, free_port, query};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use redis::RedisResult;
use redis_collections::LocalServer;
use std::{fs, net::TcpStream};

const PORTS_TRIED: usize = 8;
const SERVER: &str = "server.crt";
const KEY: &str = "server.key";
const AUTHORITY: &str = "authority.crt";

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What certifies servers and clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Outcome<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Its own certificate, in PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn certify_server(&self, names: &[&str]) -> Outcome<Identity> {
        self.certify(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn certify_client(&self, name: &str) -> Outcome<Identity> {
        self.certify(&[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn certify(&self, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Outcome<Identity> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names)?;
        parameters.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.0)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

/// A server for `localhost` and 127.0.0.1 that is certified by an authority of its own.
pub(crate) struct TlsServer {
    server: LocalServer,
    port: u16,
    authority: Authority,
    client: Identity,
    client_certificates: bool,
}

impl TlsServer {
    /// `None`, and a message, if the server program cannot speak TLS.
    pub(crate) fn start() -> Outcome<Option<Self>> {
        Self::start_with(false)
    }

    /// As [`start`](Self::start); it only talks to clients that its authority has certified.
    pub(crate) fn start_requiring_client_certificates() -> Outcome<Option<Self>> {
        Self::start_with(true)
    }

    fn start_with(client_certificates: bool) -> Outcome<Option<Self>> {
        let server = LocalServer::start()?;
        let authority = Authority::new("authority")?;
        let client = authority.certify_client("client")?;
        let mut this = Self { server, port: 0, authority, client, client_certificates };
        this.write_certificates()?;
        // Without TLS, Redis does not know of such a port, and Valkey does not listen there.
        let known: Vec<String> = query(this.server.url(), "CONFIG GET tls-port")?;
        if !known.is_empty() {
            this.port = this.listen_anywhere()?;
            if TcpStream::connect(("127.0.0.1", this.port)).is_ok() {
                return Ok(Some(this));
            }
        }
        println!("The server program cannot speak TLS: nothing tested.");
        Ok(None)
    }

    /// The address for TLS.
    pub(crate) fn url(&self) -> String {
        format!("rediss://localhost:{}/", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The server itself, which also listens without TLS, on another port.
    pub(crate) fn server(&self) -> &LocalServer {
        &self.server
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What the server's authority has certified.
    pub(crate) fn client(&self) -> &Identity {
        &self.client
    }

    /// Ends the server as a crash would, and all its connections.
    pub(crate) fn kill(&mut self) -> Outcome {
        Ok(self.server.stop()?)
    }

    /// Starts the server again, with the same ports and certificates.
    pub(crate) fn restart(&mut self) -> Outcome {
        self.server.restart()?;
        Ok(self.listen(self.port)?)
    }

    /// In the server's private directory, which is also where it runs and which goes with it.
    fn write_certificates(&self) -> Outcome {
        let identity = self.authority.certify_server(&["localhost", "127.0.0.1"])?;
        let authority = self.authority.certificate();
        let files = [(SERVER, identity.certificate), (KEY, identity.key), (AUTHORITY, authority)];
        for (name, content) in files {
            fs::write(self.server.unix_socket().with_file_name(name), content)?;
        }
        Ok(())
    }

    /// Another program may take a free port first.
    fn listen_anywhere(&self) -> Outcome<u16> {
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match self.listen(port) {
                Err(_) if attempt < PORTS_TRIED => attempt += 1,
                listening => return Ok(listening.map(|()| port)?),
            }
        }
    }

    /// By commands, because the directory of the certificates exists only with the server.
    fn listen(&self, port: u16) -> RedisResult<()> {
        let clients = if self.client_certificates { "yes" } else { "no" };
        let settings = [
            format!("tls-cert-file {SERVER}"),
            format!("tls-key-file {KEY}"),
            format!("tls-ca-cert-file {AUTHORITY}"),
            format!("tls-auth-clients {clients}"),
            format!("tls-port {port}"),
        ];
        settings.iter().try_for_each(|it| query(self.server.url(), &format!("CONFIG SET {it}")))
    }
}
