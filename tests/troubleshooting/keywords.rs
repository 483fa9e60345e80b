//! The errors of keywords.

use std::time::Duration;

use redis_collections::keyword::{self, Dispatcher, Keyword, KeywordError};
use redis_collections::{Client, Error, LocalServer};

use super::{Messages, Outcome, told};

pub(super) fn messages() -> Outcome<Messages> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let azimuth = || Keyword::double("AZ").range(0.0..=360.0).initial(0.0);
    let azimuth_that = || azimuth().on_write(|_| Ok::<_, String>(()));
    let service = |name| keyword::Client::new(&client).service(name);
    let serve = |keyword| Dispatcher::builder("dome").keyword(keyword).serve(&client);
    let not_served = service("dome").write("AZ", 1.0).unwrap_err();
    let dispatcher = serve(azimuth_that())?;
    let made: Vec<(&str, Error)> = vec![
        ("KeywordError::NotServed", not_served),
        ("KeywordError::Refused", service("dome").write("AZ", 400.0).unwrap_err()),
        ("KeywordError::UnknownKeyword", service("dome").read("ALT").unwrap_err()),
        ("KeywordError::AlreadyServed", serve(azimuth()).unwrap_err()),
        ("Error::Timeout", late(&service("dome"))),
    ];
    drop(dispatcher);
    let mut messages: Messages =
        made.iter().map(|(section, error)| (*section, told(error, &[]))).collect();
    let served_twice = &made[3].1;
    assert!(matches!(served_twice, Error::Keyword { .. }));
    messages.push(("Error::Keyword", told(&made[2].1, &[])));
    // A dispatcher that ends in the midst of a write is a case of the tests of keywords.
    messages
        .push(("KeywordError::Abandoned", format!("write \"AZ\": {}", KeywordError::Abandoned)));
    let twice = Dispatcher::builder("dome").keyword(azimuth()).keyword(azimuth());
    let twice = twice.serve(&client).unwrap_err();
    let definition = keyword::ServiceDefinition::<Client>::from_toml("dome").unwrap_err();
    for error in [twice, definition] {
        let first_line = error.to_string().lines().next().unwrap_or_default().to_owned();
        messages.push(("Error::Configuration", first_line));
    }
    Ok(messages)
}

/// A condition that is never met.
fn late(service: &keyword::Service<Client>) -> Error {
    service.wait_for("AZ", |_| false, Duration::from_millis(10)).unwrap_err()
}
