//! A real server that speaks TLS, and the certificates for both sides.

use super::{Outcome, free_port};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use redis_collections::LocalServer;
use std::{
    env,
    fs::{self, DirBuilder},
    io::{self, ErrorKind::AddrInUse},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

const PORTS_TRIED: usize = 8;
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A certificate and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Certifies servers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Outcome<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    pub fn certify_server(&self, names: &[&str]) -> Outcome<Identity> {
        self.certify(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub fn certify_client(&self, name: &str) -> Outcome<Identity> {
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
pub struct TlsServer {
    server: LocalServer,
    port: u16,
    authority: Authority,
    client: Identity,
    files: Files,
}

impl TlsServer {
    /// `None`, and a message, if the server program cannot speak TLS.
    pub fn start() -> Outcome<Option<Self>> {
        Self::start_with("no", &NAMES)
    }

    /// As [`start`](Self::start), but certified for other names than those it is reached by.
    pub fn start_certified_for(names: &[&str]) -> Outcome<Option<Self>> {
        Self::start_with("no", names)
    }

    /// As [`start`](Self::start); it only talks to clients that its authority has certified.
    pub fn start_requiring_client_certificates() -> Outcome<Option<Self>> {
        Self::start_with("yes", &NAMES)
    }

    fn start_with(client_certificates: &str, names: &[&str]) -> Outcome<Option<Self>> {
        let authority = Authority::new("authority")?;
        let client = authority.certify_client("client")?;
        let files = Files::of(&authority, names)?;
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            let mut arguments = files.arguments();
            arguments.extend(["--tls-auth-clients".into(), client_certificates.into()]);
            arguments.extend(["--tls-port".into(), port.to_string()]);
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            return match files.while_present(|| LocalServer::start_with(&arguments)) {
                Ok(server) => Ok(Some(Self { server, port, authority, client, files })),
                Err(error) if lacks_tls(&error) => {
                    println!("The server program cannot speak TLS: nothing tested.");
                    Ok(None)
                }
                Err(error) if error.kind() == AddrInUse && attempt < PORTS_TRIED => {
                    attempt += 1;
                    continue;
                }
                Err(error) => Err(error.into()),
            };
        }
    }

    /// The address for TLS.
    pub fn url(&self) -> String {
        format!("rediss://localhost:{}/", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server itself, which also listens without TLS, on another port.
    pub fn server(&self) -> &LocalServer {
        &self.server
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The client's identity, certified by the server's authority.
    pub fn client(&self) -> &Identity {
        &self.client
    }

    /// Ends the server as a crash would, and all its connections.
    pub fn kill(&mut self) -> io::Result<()> {
        self.server.stop()
    }

    /// Starts the server again, with the same ports and certificates.
    pub fn restart(&mut self) -> io::Result<()> {
        self.files.while_present(|| self.server.restart())
    }
}

/// Recognizes the messages that Valkey and Redis print without TLS.
fn lacks_tls(error: &io::Error) -> bool {
    let printed = error.to_string();
    ["Failed finding TLS support", "Bad directive"].iter().any(|text| printed.contains(text))
}

/// The files that a server reads when it starts, and only then.
struct Files {
    directory: PathBuf,
    contents: [(&'static str, String); 3],
}

impl Files {
    fn of(authority: &Authority, names: &[&str]) -> Outcome<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("redis-collections-tls-{}-{number}", process::id());
        let identity = authority.certify_server(names)?;
        let contents = [
            ("tls-cert-file", identity.certificate),
            ("tls-key-file", identity.key),
            ("tls-ca-cert-file", authority.certificate()),
        ];
        Ok(Self { directory: env::temp_dir().join(name), contents })
    }

    fn arguments(&self) -> Vec<String> {
        let argument = |name: &str| {
            [format!("--{name}"), self.directory.join(name).to_string_lossy().into_owned()]
        };
        self.contents.iter().flat_map(|(name, _)| argument(name)).collect()
    }

    /// They are not left behind when a test program is killed or keeps a server in a static.
    fn while_present<T>(&self, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for (name, content) in &self.contents {
            fs::write(self.directory.join(name), content)?;
        }
        let result = action();
        fs::remove_dir_all(&self.directory)?;
        result
    }
}
