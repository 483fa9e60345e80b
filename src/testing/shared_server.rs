use std::sync::OnceLock;
use std::{env, fmt, io};

use super::namespace::Namespace;
use crate::client::{Client, Executor};
use crate::command::Command;
use crate::connection::server_info::field;
use crate::local_server::LocalServer;
use crate::request::Request;

/// The server that all tests of a program share, from [`LocalServer::shared`].
pub struct SharedServer {
    url: String,
    client: Client,
    /// None if `REDIS_URL` names a server that runs already.
    _started: Option<LocalServer>,
}

impl LocalServer {
    /// Returns the server that all tests of this program share: the one that the environment
    /// variable `REDIS_URL` names, or else one that the first call starts. It ends with the
    /// program.
    ///
    /// Tests that run at the same time stay apart by a [`Namespace`] each.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the reason why the server of `REDIS_URL` cannot be used: for
    /// one, it may be a node of a cluster or a Sentinel. Later calls return the same error.
    pub fn shared() -> io::Result<&'static SharedServer> {
        static SHARED: OnceLock<Result<SharedServer, (io::ErrorKind, String)>> = OnceLock::new();
        let open = || SharedServer::open().map_err(|error| (error.kind(), error.to_string()));
        let shared = SHARED.get_or_init(open).as_ref();
        shared.map_err(|(kind, message)| io::Error::new(*kind, message.as_str()))
    }
}

impl SharedServer {
    fn open() -> io::Result<Self> {
        let given = env::var_os(VARIABLE).filter(|url| !url.is_empty());
        let (url, started) = match given.map(|url| url.into_string()) {
            Some(Ok(url)) => (url, None),
            Some(Err(_)) => return Err(unusable("it is not UTF-8")),
            None => {
                let server = LocalServer::start().map_err(with_advice)?;
                (server.url().to_owned(), Some(server))
            }
        };
        let client = Client::open(&url).map_err(unusable)?;
        if let Some(problem) = client.run(mode()).ok().flatten() {
            return Err(unusable(problem));
        }
        Ok(Self { url, client, _started: started })
    }

    /// The address for clients, as `REDIS_URL` has it if it is set.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns names for one test, which no other test uses.
    #[must_use = "the keys of a namespace are removed when it is dropped"]
    pub fn namespace(&self) -> Namespace {
        Namespace::new(&self.client)
    }
}

/// Shows no URL: it may contain a password.
impl fmt::Debug for SharedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedServer").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The command whose reply is the reason why tests cannot share the server, if there is one: the
/// keys of a namespace could not be found. A server that tells no mode is accepted.
fn mode() -> Command<Option<&'static str>> {
    Request::read("INFO").arg("server").returns(|reply| {
        // Valkey has another name for it, unless it is to be compatible.
        let mode = field(&reply.value, "redis_mode").or(field(&reply.value, "server_mode"));
        Ok(match mode {
            Some("cluster") => Some("it is a node of a cluster"),
            Some("sentinel") => Some("it is a Sentinel; name the master itself"),
            _ => None,
        })
    })
}

fn unusable(reason: impl fmt::Display) -> io::Error {
    io::Error::other(format!("the server of {VARIABLE} cannot be used: {reason}"))
}

/// Names the way out where no server can be started.
fn with_advice(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ (io::ErrorKind::NotFound | io::ErrorKind::Unsupported) => {
            let advice = "or set REDIS_URL to the URL of a server that runs already";
            io::Error::new(kind, format!("{error}, {advice}"))
        }
        _ => error,
    }
}

const VARIABLE: &str = "REDIS_URL";
