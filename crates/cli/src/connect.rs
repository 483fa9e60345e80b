//! Connects to the servers that the options name.

use std::env;

use redis_collections::{Client, ClientBuilder, Error};

use crate::certificates;
use crate::failure::Failure;
use crate::options::Options;

/// A client of what the options name.
pub enum Connected {
    /// A server alone, or the master of Sentinels.
    Alone(Client),
    /// The cluster of which the server is a node.
    Cluster(Client),
}

impl Options {
    /// Connects to the server, or to the master that Sentinels name. A node of a cluster and a
    /// Sentinel are recognized.
    pub fn connect(&self) -> Result<Connected, Failure> {
        let urls = self.checked_urls()?;
        match (&self.sentinel, &urls[..]) {
            (Some(name), urls) => self.connect_by_sentinels(urls, name).map(Connected::Alone),
            (None, [url]) => self.connect_to_one(url),
            (None, _) => {
                let problem = "several URLs are those of Sentinels or of the nodes of a cluster";
                Err(Failure::usage(problem.into()))
            }
        }
    }

    /// Connects to the cluster of which the URLs name nodes.
    pub fn connect_to_cluster(&self) -> Result<Client, Failure> {
        let urls = self.checked_urls()?;
        match self.set(Client::cluster_builder(&urls))?.build() {
            Err(Error::Unsupported { .. }) if self.is_sentinel(&urls[0])? => Err(a_sentinel()),
            cluster => Ok(cluster?),
        }
    }

    /// Connects to a server, or to its cluster if it is a node of one.
    fn connect_to_one(&self, url: &str) -> Result<Connected, Failure> {
        let alone = self.set(Client::builder(url))?.build();
        if let Err(error @ Error::Configuration(_)) = alone {
            return Err(error.into());
        }
        if let Err(error) = &alone
            && error.is_transient()
            && !error.to_string().contains(DATABASE_REFUSED)
        {
            return Ok(Connected::Alone(alone?));
        }
        let cluster = || self.set(Client::cluster_builder([url]));
        match cluster()?.database(0).build() {
            Ok(client) => {
                // It refuses any other database.
                cluster()?.lazy().build()?;
                return Ok(Connected::Cluster(client));
            }
            Err(error) if error.is_transient() && alone.is_ok() => return Err(error.into()),
            Err(Error::Unsupported { .. }) if self.is_sentinel(url)? => return Err(a_sentinel()),
            Err(_) => {}
        }
        Ok(Connected::Alone(alone?))
    }

    fn connect_by_sentinels(&self, urls: &[String], name: &str) -> Result<Client, Failure> {
        let builder = self.set(Client::sentinel_builder(urls, name))?;
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        // In the URLs they are those of the Sentinels.
        let (user, password) = (variable(MASTER_USER), variable(MASTER_PASSWORD));
        let builder = user.into_iter().fold(builder, |builder, user| builder.user(user));
        let builder =
            password.into_iter().fold(builder, |builder, password| builder.password(password));
        builder.build().map_err(|error| {
            let is_refused = matches!(error, Error::Connect { .. }) && !error.is_transient();
            if is_refused || error.code() == Some("NOAUTH") {
                Failure::from(error).with_hint(PASSWORDS_OF_SENTINELS)
            } else {
                error.into()
            }
        })
    }

    /// Returns whether the server, which lacks the commands of others, is a Sentinel.
    fn is_sentinel(&self, url: &str) -> Result<bool, Failure> {
        let found = self.set(Client::sentinel_builder([url], ""))?.build();
        Ok(match found {
            // There is no master without a name, and only a Sentinel says so.
            Err(Error::Configuration(problem)) => problem.starts_with("the Sentinel at "),
            _ => false,
        })
    }

    /// Applies the database and the certificates.
    fn set(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let builder = match self.database {
            Some(number) => builder.database(number),
            None => builder,
        };
        certificates::apply(self, builder)
    }

    /// Returns the URLs, of which there is at least one and which can all be read.
    fn checked_urls(&self) -> Result<Vec<String>, Failure> {
        let (origin, urls) = self.urls()?;
        for url in &urls {
            if let Err(Error::Configuration(problem)) = Client::builder(url).lazy().build() {
                let problem = problem.replace("it is not such a URL", "it is no URL of a server");
                return Err(Failure::usage(format!("{origin}: {problem}")));
            }
        }
        Ok(urls)
    }

    /// Returns the URLs, and the option or variable that they are from.
    fn urls(&self) -> Result<(&'static str, Vec<String>), Failure> {
        if !self.urls.is_empty() {
            return Ok(("--url", self.urls.clone()));
        }
        let url = match env::var_os(URL).filter(|url| !url.is_empty()) {
            Some(url) => url.into_string().map_err(|_| {
                Failure::usage(format!("{URL}: it is no URL of a server, since it is not UTF-8"))
            })?,
            None => DEFAULT_URL.into(),
        };
        Ok((URL, vec![url]))
    }
}

fn a_sentinel() -> Failure {
    Failure::usage("the server is a Sentinel; use --sentinel with the name of its master".into())
}

/// What the driver says of a server that refuses the database, as nodes of a cluster and Sentinels
/// do.
const DATABASE_REFUSED: &str = "refused to switch database";
const URL: &str = "REDIS_URL";
const DEFAULT_URL: &str = "redis://127.0.0.1:6379/";
const MASTER_USER: &str = "REDIS_MASTER_USER";
const MASTER_PASSWORD: &str = "REDIS_MASTER_PASSWORD";
const PASSWORDS_OF_SENTINELS: &str = "with --sentinel the user and password in the URLs are those \
    of the Sentinels, and those of the master are in REDIS_MASTER_USER and REDIS_MASTER_PASSWORD";
