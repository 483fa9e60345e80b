//! URLs of servers, parsed strictly: parts that the driver would ignore are refused. No message
//! repeats a part of a URL that may be a password, or a piece of one.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

use crate::error::{Error, Result};

/// Parses the URL of a server.
pub(crate) fn connection_info(text: &str) -> Result<ConnectionInfo> {
    let url = redis::parse_redis_url(text).ok_or_else(|| refused("it is not such a URL"))?;
    let is_socket = url.scheme().ends_with("unix");
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    match url.fragment() {
        Some("insecure") => return Err(Error::Configuration(INSECURE.into())),
        Some(_) => return Err(refused(FRAGMENT)),
        None if is_socket && has_credentials => return Err(refused(CREDENTIALS)),
        None => {}
    }
    refuse_without_tls(url.scheme(), cfg!(feature = "tls"))?;
    // Behind a raw `?` there may be the rest of a password, up to the `@` before the host.
    let is_unsure = !is_socket && url.query().is_some_and(|query| query.contains('@'));
    let known: &[&str] = if is_socket { &OF_SOCKETS } else { &OF_HOSTS };
    let mut seen = Vec::new();
    let mut database = None;
    for (name, value) in url.query_pairs() {
        let Some(name) = known.iter().find(|known| **known == name) else {
            // A raw `&` may be in a password too.
            let is_sure = !is_unsure && !seen.contains(&PASSWORD) && is_plain(&name);
            let name = if is_sure { format!(" `{name}`") } else { String::new() };
            let known = known.join("`, `");
            return Err(refused(&format!(
                "it has an unknown parameter{name}; known are `{known}`"
            )));
        };
        if seen.contains(name) {
            return Err(refused(&format!("it has the parameter `{name}` twice")));
        }
        match *name {
            DATABASE => database = Some(value.parse::<u32>().map_err(|_| refused(NO_DATABASE))?),
            PROTOCOL if !PROTOCOLS.contains(&&*value) => return Err(refused(NO_PROTOCOL)),
            _ => {}
        }
        seen.push(name);
    }
    let path = url.path().trim_matches('/').to_owned();
    let information =
        url.into_connection_info().map_err(|error| refused(&without_details(error)))?;
    if is_socket {
        return Ok(information);
    }
    if path.starts_with('-') {
        return Err(refused(NO_DATABASE));
    }
    if let ConnectionAddr::TcpTls { insecure: true, .. } = information.addr() {
        return Err(Error::Configuration(INSECURE.into()));
    }
    match database {
        Some(_) if !path.is_empty() => Err(refused("it names a database twice")),
        Some(database) => {
            let settings = information.redis_settings().clone().set_db(database.into());
            Ok(information.set_redis_settings(settings))
        }
        None => Ok(information),
    }
}

/// Parses a URL and discards the result.
#[cfg(test)]
pub(crate) fn read_url(text: &str) -> Result<()> {
    connection_info(text).map(drop)
}

/// Refuses a URL of TLS in a program that was built without it.
fn refuse_without_tls(scheme: &str, has_tls: bool) -> Result<()> {
    match scheme {
        "rediss" | "valkeys" if !has_tls => Err(Error::Configuration(NO_TLS.into())),
        _ => Ok(()),
    }
}

/// The error of a URL, with the accepted forms.
fn refused(reason: &str) -> Error {
    Error::Configuration(format!("{reason}; {FORMS}"))
}

/// The driver's message, unless it repeats a part of the URL.
fn without_details(error: RedisError) -> String {
    match error.detail() {
        Some(_) => "it cannot be used".into(),
        None => error.to_string(),
    }
}

/// Returns whether it looks like the name of a parameter.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

const DATABASE: &str = "db";
const PASSWORD: &str = "pass";
const PROTOCOL: &str = "protocol";
const OF_HOSTS: [&str; 2] = [DATABASE, PROTOCOL];
const OF_SOCKETS: [&str; 4] = [DATABASE, "user", PASSWORD, PROTOCOL];
const PROTOCOLS: [&str; 4] = ["2", "3", "resp2", "resp3"];
const LONGEST_NAME: usize = 32;

const INSECURE: &str = "certificates are always checked; the URL may not end with #insecure";
const NO_TLS: &str = "this program was built without the feature `tls` of redis-collections, which \
                      a URL that begins with rediss needs";
const FRAGMENT: &str = "it has a fragment, or a `#` that has to be written as %23";
const CREDENTIALS: &str = "the user and password of a socket are its parameters `user` and `pass`";
const NO_DATABASE: &str = "its database is not a number";
const NO_PROTOCOL: &str = "its protocol is neither resp2 nor resp3";
const FORMS: &str = "a URL is redis://user:password@host:port/database, the same with rediss for TLS, or \
                     unix:///path/to/socket?db=0; in passwords :/?#[]@%& are percent-encoded";

#[cfg(test)]
mod tests {
    use super::*;

    /// The address, the user, the password and the database, or the problem.
    fn read(url: &str) -> std::result::Result<String, String> {
        let information = connection_info(url).map_err(|error| error.to_string())?;
        let settings = information.redis_settings();
        let (user, password) = (settings.username(), settings.password());
        let [user, password] = [user, password].map(|it| it.unwrap_or("-"));
        Ok(format!("{} {user} {password} {}", information.addr(), settings.db()))
    }

    #[test]
    fn a_url_gives_the_address_the_credentials_and_the_database() {
        for (url, expected) in [
            ("redis://host", "host:6379 - - 0"),
            ("valkey://host:1/", "host:1 - - 0"),
            ("redis://host/3", "host:6379 - - 3"),
            ("redis://host/3/", "host:6379 - - 3"),
            ("redis://host?db=5", "host:6379 - - 5"),
            ("redis://host/?db=5&protocol=resp3", "host:6379 - - 5"),
            ("redis://host?protocol=2", "host:6379 - - 0"),
            ("redis://:pw@host", "host:6379 - pw 0"),
            ("redis://me@host", "host:6379 me - 0"),
            ("redis://me:p%40s%2Fs%23%3F%25%3A@10.0.0.1:99/1", "10.0.0.1:99 me p@s/s#?%: 1"),
            ("redis://me:p@w@host", "host:6379 me p@w 0"),
            ("redis://[::1]:7/", "[::1]:7 - - 0"),
            ("redis://me:pw@[2001:db8::1]/2", "[2001:db8::1]:6379 me pw 2"),
            ("unix:///a/b", "/a/b - - 0"),
            ("redis+unix:///a%20b?db=3&user=me&pass=p%40%26w", "/a b me p@&w 3"),
            ("valkey+unix:///a?pass=p@w&protocol=3", "/a - p@w 0"),
        ] {
            let read = read(url).map(|read| read.replace("[::1]", "::1").replace("::1", "[::1]"));
            let read = read.map(|read| read.replace("2001:db8[::1]", "[2001:db8::1]"));
            assert_eq!(read.as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_url_of_tls_without_the_feature_names_it() {
        for (scheme, is_refused) in [
            ("rediss", true),
            ("valkeys", true),
            ("redis", false),
            ("valkey", false),
            ("unix", false),
            ("redis+unix", false),
        ] {
            assert!(refuse_without_tls(scheme, true).is_ok(), "{scheme}");
            let error = refuse_without_tls(scheme, false).map_err(|error| error.to_string()).err();
            let names_it = error.is_some_and(|error| error.contains("the feature `tls`"));
            assert_eq!(names_it, is_refused, "{scheme}");
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_without_showing_secrets() {
        const TLS_NEEDED: &str = if cfg!(feature = "tls") { "" } else { "feature `tls`" };
        for (url, expected) in [
            ("", "not such a URL"),
            ("s3cret", "not such a URL"),
            ("host:6379", "not such a URL"),
            ("http://:s3cret@host/", "not such a URL"),
            ("redis://:s3cret", "not such a URL"),
            ("redis://me:s3cret", "not such a URL"),
            ("redis://", "Missing hostname"),
            ("redis:///3", "Missing hostname"),
            ("redis://:s3cret@", "not such a URL"),
            ("redis://:s3cret@host:99999/", "not such a URL"),
            ("redis://:s3cret@host:-1/", "not such a URL"),
            ("redis://:s3cret@[::1/", "not such a URL"),
            ("redis://:s3cret@0.0.0.0/", "wildcard"),
            ("redis://:%ff%fes3cret@host/", "Password is not valid UTF-8"),
            ("redis://%ffs3cret@host/", "Username is not valid UTF-8"),
            ("redis://:s3cret@host/database", "Invalid database number"),
            ("redis://:s3cret@host/-1", "not a number"),
            ("redis://:s3cret@host/1/2", "Invalid database number"),
            ("redis://:s3cret@host?db=s3cret", "not a number"),
            ("redis://:s3cret@host?db=-1", "not a number"),
            ("redis://:s3cret@host/5?db=5", "a database twice"),
            ("redis://:s3cret@host/0?db=5", "a database twice"),
            ("redis://:s3cret@host?db=1&db=2", "`db` twice"),
            ("redis://host?protocol=s3cret", "neither resp2 nor resp3"),
            (
                "redis://host?password=s3cret",
                "unknown parameter `password`; known are `db`, `protocol`",
            ),
            ("redis://host?ssl_cert_reqs=s3cret", "unknown parameter `ssl_cert_reqs`;"),
            ("redis://host?db=1&timeout=s3cret", "unknown parameter `timeout`;"),
            ("redis://host?s3%20cret=1", "unknown parameter;"),
            ("redis://me:1234#s3cret@host", "a fragment"),
            ("redis://host#s3cret", "a fragment"),
            ("redis://host/#insecure", "certificates are always checked"),
            ("redis://me:1234?s3cret@host", "unknown parameter;"),
            ("redis://me:1234?s3cret=1&x@host", "unknown parameter;"),
            ("redis://me:1234/s3cret@host", "Invalid database number"),
            ("redis://:top/s3cret@host", "not such a URL"),
            ("rediss://host/#s3cret", "a fragment"),
            ("rediss://host/#insecure", "certificates are always checked"),
            (
                "rediss://:s3cret@host/x",
                if TLS_NEEDED.is_empty() { "database" } else { TLS_NEEDED },
            ),
            ("unix://", "Missing path"),
            ("unix://host/a", "Missing path"),
            ("unix://me:s3cret@localhost/a", "parameters `user` and `pass`"),
            ("unix:///a?password=s3cret", "unknown parameter `password`; known are `db`, `user`"),
            ("unix:///a?pass=x&s3cret=y", "unknown parameter;"),
            ("unix:///a?pass=x#s3cret", "a fragment"),
            ("unix:///a?db=s3cret", "not a number"),
        ] {
            let error = read(url).expect_err(url);
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("s3") && !error.contains("1234"), "{url}: {error}");
        }
    }
}
