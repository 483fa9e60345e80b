//! URLs and settings that are refused.

use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, Client, Error, LocalServer, NearCacheSettings, QueueSettings,
    RedisDict, WorkQueue,
};
use support::servers::sentinel::Sentinels;

use super::{Messages, Outcome, read, told};

/// The section of the guide.
const CONFIGURATION: &str = "Error::Configuration";

pub(super) fn messages() -> Outcome<Messages> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let sentinels = Sentinels::start()?;
    let mut errors = of_urls();
    errors.push(Client::sentinel(sentinels.urls(), "other").unwrap_err());
    errors.extend(of_builders(&server));
    errors.extend(of_collections(&client));
    let told_of = |error: &Error| {
        assert!(matches!(error, Error::Configuration(_)), "{error}");
        (CONFIGURATION, told(error, &[server.port()]))
    };
    let mut messages: Messages = errors.iter().map(told_of).collect();
    messages.push((CONFIGURATION, of_a_missing_feature()?));
    Ok(messages)
}

/// The message that cannot be made here, where all features are on.
fn of_a_missing_feature() -> Outcome<String> {
    let source = read("src/connection/url.rs");
    let (_, rest) = source.split_once("const NO_TLS: &str = \"").ok_or("the message")?;
    let (message, _) = rest.split_once("\";").ok_or("its end")?;
    let lines: Vec<_> = message.split("\\\n").map(str::trim_start).collect();
    Ok(format!("invalid configuration: {}", lines.concat()))
}

fn of_urls() -> Vec<Error> {
    let urls = [
        "host:6379",
        "redis://",
        "redis://:pass/word@host/",
        "redis://me:1234#word@host/",
        "redis://host/x",
        "redis://host/-1",
        "redis://host?timeout=5",
        "redis://host/1?db=2",
        "redis://host?db=1&db=2",
        "redis://host?protocol=4",
        "rediss://host/#insecure",
        "unix://me:word@localhost/path",
        "unix://",
    ];
    urls.map(|url| Client::open(url).expect_err(url)).into()
}

fn of_builders(server: &LocalServer) -> Vec<Error> {
    let url = server.url();
    let none: [&str; 0] = [];
    let pem = "no PEM";
    let tls = || Client::builder("rediss://localhost/").lazy();
    vec![
        Client::builder(url).pool_size(0).build().unwrap_err(),
        Client::builder(url).pooled(u32::MAX).build().unwrap_err(),
        Client::cluster(none).unwrap_err(),
        Client::cluster([url]).unwrap_err(),
        Client::cluster(["unix:///path"]).unwrap_err(),
        Client::cluster(["redis://host/1"]).unwrap_err(),
        Client::cluster(["redis://one", "rediss://two"]).unwrap_err(),
        Client::sentinel([url], "mymaster").unwrap_err(),
        Client::builder(url).root_certificates(pem).build().unwrap_err(),
        tls().root_certificates(pem).build().unwrap_err(),
        tls().client_certificate(pem, pem).build().unwrap_err(),
    ]
}

fn of_collections(client: &Client) -> Vec<Error> {
    let queue = |settings| WorkQueue::<String>::new(client, "jobs").with(settings);
    let flags: RedisDict<String, bool> = RedisDict::new(client, "flags");
    let cache = |name: &str, policy| {
        let load = |_: String, ()| Ok::<_, Error>(None::<String>);
        CacheClient::<String, String>::new(client, name.to_owned(), policy, load).unwrap_err()
    };
    let policy = || CachePolicy::time_to_live(Duration::from_secs(60));
    let (zero, millisecond) = (Duration::ZERO, Duration::from_millis(1));
    let settings = QueueSettings::new();
    vec![
        queue(settings.clone().lease(millisecond)).push("x").unwrap_err(),
        queue(settings.clone().lease(Duration::MAX)).push("x").unwrap_err(),
        queue(settings.clone().max_deliveries(0)).push("x").unwrap_err(),
        queue(settings.backoff(zero, zero)).push("x").unwrap_err(),
        flags.cached(NearCacheSettings::tracking().max_staleness(millisecond)).unwrap_err(),
        flags.cached(NearCacheSettings::tracking().capacity(0)).unwrap_err(),
        cache("", policy()),
        cache("users", CachePolicy::time_to_live(zero)),
        cache("users", CachePolicy::time_to_live(Duration::MAX)),
        cache("users", policy().jitter(1.0)),
        cache("users", policy().early_refresh(-1.0)),
        cache("users", policy().lease(millisecond)),
    ]
}
