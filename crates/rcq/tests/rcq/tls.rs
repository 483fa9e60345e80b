//! Certificates.

use std::fs;
use std::path::PathBuf;

use crate::{NOTHING, check, rcq};
use support::kinds::SERVER;
use support::program::Case;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::servers::tls::{Authority, TlsServer};

/// Writes a file, and returns its path.
fn file(name: &str, text: &str) -> PathBuf {
    let path = SERVER.unix_socket().with_file_name(name);
    fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_program_without_tls_refuses_certificates() {
    if cfg!(feature = "tls") {
        return check(&[Case("list --ca /none", NOTHING, Failed(2, "--ca: cannot read /none"))]);
    }
    for option in ["--ca", "--cert", "--key"] {
        check(&[Case(&format!("list {option} /none"), NOTHING, Failed(2, "feature `tls`"))]);
    }
}

#[test]
fn certificates_are_files() {
    let (true, Ok(Some(server))) =
        (cfg!(feature = "tls"), TlsServer::start_requiring_client_certificates())
    else {
        return;
    };
    let ca = file("ca.pem", &server.authority().certificate());
    let other = Authority::new("other").expect("an authority").certificate();
    let other = file("other.pem", &other);
    let cert = file("cert.pem", &server.client().certificate);
    let key = file("key.pem", &server.client().key);
    let none = file("none.pem", "nothing");
    let [ca, other, cert, key, none] = [&ca, &other, &cert, &key, &none].map(|it| it.display());
    let url = server.url();
    check(&[
        Case(
            &format!("push mail a --url {url} --ca {ca} --cert {cert} --key {key}"),
            NOTHING,
            Out("pushed 1 to mail, 1 pending\n"),
        ),
        Case(
            &format!("list --url {url} --ca {other} --cert {cert} --key {key}"),
            NOTHING,
            Failed(1, "invalid peer certificate: UnknownIssuer"),
        ),
        Case(&format!("list --url {url} --ca {ca}"), NOTHING, Failed(1, "cannot connect")),
        Case(
            &format!("list --url {url} --ca {ca} --cert {cert}"),
            NOTHING,
            Failed(2, "--cert and --key need each other"),
        ),
        Case(
            &format!("list --url {url} --ca {none}"),
            NOTHING,
            Failed(2, "the roots to trust are no PEM"),
        ),
        Case(
            &format!("list --ca {ca}"),
            NOTHING,
            Failed(2, "certificates are for URLs that begin with rediss://"),
        ),
    ]);
    let by_variable = format!("push mail a --url {url} --cert {cert} --key {key}");
    let by_variable = rcq(&by_variable).env("SSL_CERT_FILE", ca.to_string()).output();
    let said = texts(&by_variable.expect("an end"));
    assert_eq!(said, ("pushed 1 to mail, 2 pending\n".to_owned(), String::new()));
}
