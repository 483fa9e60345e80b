//! Removes the passwords of URLs from messages.

use std::env;

/// Returns `message` without any URL from the command line, even a misplaced one, and without its
/// user and password.
///
/// The message must be unchanged: if its spaces differ from those of the URL, the URL is not found.
pub fn without_secrets(message: &str) -> String {
    let given = env::args_os().chain(env::var_os("REDIS_URL"));
    given.fold(message.to_owned(), |message, given| without(&message, &given.to_string_lossy()))
}

fn without(message: &str, given: &str) -> String {
    let mut message = message.to_owned();
    let scheme = given.find(":/");
    if let Some(start) = scheme {
        // Where a URL is shown literally, its password may be anywhere in it.
        message = message.replace(&given[start..], "://…");
    }
    for parameter in ["pass=", "password="] {
        if let Some((_, secret)) = given.split_once(parameter).filter(|(_, it)| !it.is_empty()) {
            message = message.replace(secret, "…");
        }
    }
    let address = scheme.map_or(given, |start| given[start + 1..].trim_start_matches('/'));
    match address.rsplit_once('@') {
        Some((secret, _)) if !secret.is_empty() && (scheme.is_some() || secret.contains(':')) => {
            message.replace(secret, "…")
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_passwords_are_redacted() {
        for (given, shown) in [
            ("redis://ann:5ecret@host/", "redis://…"),
            ("--url=rediss://:5ecret@host", "--url=rediss://…"),
            ("unix:///s?pass=5ecret", "unix://…"),
            ("unix:///s?pass=two  5ecret\n\n\twords", "unix://…"),
            ("unix:/s?pass=5ecret", "unix://…"),
            ("/s?pass=5ecret", "/s?pass=…"),
            ("s?db=1&password=5ecret", "s?db=1&password=…"),
            ("ann:5ecret@host", "…@host"),
            ("mail", "mail"),
            ("ann@host", "ann@host"),
        ] {
            let message = without(&format!("unexpected argument '{given}' found"), given);
            assert_eq!(message, format!("unexpected argument '{shown}' found"));
        }
        assert_eq!(without("no user ann:5ecret", "redis://ann:5ecret@host"), "no user …");
    }
}
