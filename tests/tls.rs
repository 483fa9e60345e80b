//! Clients and servers that speak TLS, and those that should not trust each other.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Applied, ClientBuilder, Error, RedisDict, RedisHashDict, RedisList};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::contract::{ok, on_both_kinds, settle, sorted};
use support::eventually;
use support::kinds::Kind;
use support::servers::query;
use support::servers::tls::{Authority, Identity, TlsServer};

const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(30);

/// The error of an async client when the server's reason got lost.
const ENDED: &str = "perhaps because it does not accept the client's certificate or wants one";

on_both_kinds!(
    everything_works_over_tls,
    an_unknown_authority_is_refused,
    a_certificate_for_another_name_is_refused,
    a_server_can_require_a_certificate_of_its_own_authority,
    invalid_pem_is_a_configuration_error,
    a_private_key_is_never_shown,
    tls_and_no_tls_do_not_wait_for_each_other,
    connecting_to_a_silent_server_ends_at_the_shorter_limit,
    a_certificate_is_always_checked,
    a_sentinel_and_the_master_it_names_are_both_talked_to_over_tls,
    a_restarted_server_is_connected_to_again,
    a_waiting_pop_goes_on_over_tls_when_the_server_is_restarted,
);

async fn everything_works_over_tls<C: Kind>() {
    let Some(server) = TlsServer::start().unwrap() else { return };
    for host in ["localhost", "127.0.0.1"] {
        let builder = trusting::<C>(&format!("rediss://{host}:{}/", server.port()), &server);
        let client = C::build(builder).await.unwrap();
        let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "hash");
        let list: RedisList<Vec<u8>, C> = RedisList::new(&client, "list");
        ok!(dict.insert("a", "x"));
        assert_eq!(sorted!(dict.iter()), [("a".to_owned(), "x".to_owned())]);
        let (a, visits) = client
            .pipeline((dict.deferred().get("a"), hash.deferred().increment("ann", 1)))
            .await
            .unwrap();
        assert_eq!((a.unwrap().as_deref(), visits.unwrap() > 0), (Some("x"), true));
        let (new, taken) = client
            .transaction((dict.deferred().insert("b", "y"), dict.deferred().take("b")))
            .await
            .unwrap();
        assert_eq!(((), Some("y")), (new, taken.as_deref()));
        // More than a record of TLS holds.
        let large = vec![b'\xff'; 4 << 20];
        ok!(list.push_back(&large));
        assert!(ok!(list.wait_pop_front(LONG)) == Some(large));
        assert_eq!(ok!(list.wait_pop_front(Duration::ZERO)), None);
    }
}

async fn an_unknown_authority_is_refused<C: Kind>() {
    let Some(server) = TlsServer::start().unwrap() else { return };
    let stranger = Authority::new("stranger").unwrap().certificate();
    for builder in
        [C::builder(&server.url()).root_certificates(stranger), C::builder(&server.url())]
    {
        assert_refused(builder, &["UnknownIssuer"]).await;
    }
}

async fn a_certificate_for_another_name_is_refused<C: Kind>() {
    let Some(server) = TlsServer::start_certified_for(&["elsewhere.test"]).unwrap() else { return };
    assert_refused(trusting::<C>(&server.url(), &server), &["elsewhere.test"]).await;
}

async fn a_server_can_require_a_certificate_of_its_own_authority<C: Kind>() {
    let Some(server) = TlsServer::start_requiring_client_certificates().unwrap() else { return };
    let client = C::build(presenting(&server, server.client())).await.unwrap();
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    ok!(list.push_back("x"));
    assert_eq!(ok!(list.wait_pop_front(LONG)).as_deref(), Some("x"));

    assert_refused(trusting::<C>(&server.url(), &server), &["CertificateRequired", ENDED]).await;
    let stranger = Authority::new("stranger").unwrap().certify_client("client").unwrap();
    assert_refused(presenting::<C>(&server, &stranger), &["UnknownCA", ENDED]).await;
}

async fn invalid_pem_is_a_configuration_error<C: Kind>() {
    let authority = Authority::new("authority").unwrap();
    let (root, client) = (authority.certificate(), authority.certify_client("client").unwrap());
    let other = authority.certify_client("other").unwrap();
    let damaged = root.replacen("MII", "M!!", 1);
    let builder = || C::builder("rediss://localhost:1/").lazy();
    for builder in [
        builder().root_certificates("garbage"),
        builder().root_certificates(""),
        builder().root_certificates(b"\xff\x00".to_vec()),
        builder().root_certificates(&*damaged),
        builder().root_certificates(&*client.key),
        builder().client_certificate("garbage", &*client.key),
        builder().client_certificate(&*damaged, &*client.key),
        builder().client_certificate(&*client.certificate, "garbage"),
        builder().client_certificate(&*client.certificate, &*root),
        builder().client_certificate(&*client.certificate, &*other.key),
        C::builder("redis://localhost:1/").root_certificates(root),
    ] {
        let error = C::build(builder).await.unwrap_err();
        assert!(matches!(&error, Error::Configuration(_)), "{error}");
    }
}

async fn a_private_key_is_never_shown<C: Kind>() {
    let Some(server) = TlsServer::start_requiring_client_certificates().unwrap() else { return };
    let Identity { certificate, key } = server.client();
    let builder = |key: &str| {
        let builder = trusting::<C>(&server.url(), &server);
        builder.client_certificate(&**certificate, key)
    };
    assert_hides(key, &builder(key));
    assert_hides(key, &C::build(builder(key)).await.unwrap());
    for damaged in [
        key.replace('\n', ""),
        key.replace('\n', " "),
        key.replace("-----\n", "-----"),
        key.replacen("-----\n", "\n", 1),
        key.replace("-----END", "----END"),
        key.replacen('\n', "\n!", 1),
        key.replace("PRIVATE", "SECRET"),
    ] {
        assert_hides(key, &C::build(builder(&damaged)).await.unwrap_err());
    }
    let stranger = Authority::new("stranger").unwrap().certify_client("client").unwrap();
    let refused = C::build(presenting(&server, &stranger)).await.unwrap_err();
    assert_hides(&stranger.key, &refused);
}

async fn tls_and_no_tls_do_not_wait_for_each_other<C: Kind>() {
    let Some(server) = TlsServer::start().unwrap() else { return };
    let tls_to_plain = format!("rediss://127.0.0.1:{}/", server.server().port());
    let plain_to_tls = format!("redis://127.0.0.1:{}/", server.port());
    for (builder, reasons) in [
        (trusting(&tls_to_plain, &server), ["timed out"; 2]),
        (C::builder(&plain_to_tls), ["connection was lost", "cannot connect"]),
    ] {
        let start = Instant::now();
        let builder = builder.connect_timeout(SHORT).response_timeout(SHORT);
        let error = C::build(builder).await.unwrap_err();
        assert!(reasons.iter().any(|reason| error.to_string().contains(reason)), "{error}");
        assert!(error.is_connection_lost() && error.applied() == Applied::No, "{error}");
        assert!(start.elapsed() < 8 * SHORT, "{:?}", start.elapsed());
    }
}

async fn connecting_to_a_silent_server_ends_at_the_shorter_limit<C: Kind>() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = silent.local_addr().unwrap();
    for builder in [
        C::builder(&format!("rediss://{address}/")),
        C::builder(&format!("redis://:password@{address}/")),
        C::builder(&format!("redis://{address}/")),
        C::builder(&format!("redis://{address}/")).name("a name"),
    ] {
        for (connect, response) in [(SHORT, LONG), (LONG, SHORT)] {
            let builder = builder.clone().connect_timeout(connect).response_timeout(response);
            let start = Instant::now();
            let error = C::build(builder).await.unwrap_err();
            assert!(matches!(&error, Error::Connect { .. }), "{error}");
            assert!(error.is_timeout(), "{error}");
            assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
        }
    }
}

async fn a_certificate_is_always_checked<C: Kind>() {
    let Some(server) = TlsServer::start().unwrap() else { return };
    let url = format!("{}#insecure", server.url());
    for builder in [C::builder(&url), trusting(&url, &server)] {
        let error = C::build(builder).await.unwrap_err();
        assert!(matches!(&error, Error::Configuration(_)), "{error}");
    }
}

async fn a_sentinel_and_the_master_it_names_are_both_talked_to_over_tls<C: Kind>() {
    let Some(server) = TlsServer::start().unwrap() else { return };
    let sentinel = imitate_sentinel(server.authority(), server.port());
    let urls = [format!("rediss://localhost:{sentinel}/")];
    let builder = C::sentinel_builder(&urls, "the-master");
    let error = C::build(builder.clone()).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let builder = builder.root_certificates(server.authority().certificate());
    let client = C::build(builder).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    ok!(dict.insert("a", "x"));
    assert_eq!(query::<String>(server.server().url(), "GET dict:a").unwrap(), "x");
}

async fn a_restarted_server_is_connected_to_again<C: Kind>() {
    let Some(mut server) = TlsServer::start().unwrap() else { return };
    let client = C::build(trusting(&server.url(), &server)).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    ok!(dict.insert("a", "x"));
    server.restart().unwrap();
    assert_eq!(ok!(dict.get("a")), None, "a read is repeated on a new connection");
    server.kill().unwrap();
    assert!(settle!(dict.get("a")).unwrap_err().is_connection_lost());
    let error = settle!(dict.insert("a", "y")).unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    server.restart().unwrap();
    ok!(dict.insert("a", "z"));
}

async fn a_waiting_pop_goes_on_over_tls_when_the_server_is_restarted<C: Kind>() {
    let Some(mut server) = TlsServer::start().unwrap() else { return };
    let client = C::build(trusting(&server.url(), &server)).await.unwrap();
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    let waiting = {
        let list = list.clone();
        thread::spawn(move || C::finish(C::settle(list.wait_pop_front(LONG))))
    };
    assert!(eventually(|| has_a_waiting_client(&server)));
    server.restart().unwrap();
    assert!(eventually(|| has_a_waiting_client(&server)), "it waits on the new server");
    query::<()>(server.server().url(), "RPUSH list x").unwrap();
    assert_eq!(waiting.join().unwrap().unwrap().as_deref(), Some("x"));
}

fn trusting<C: Kind>(url: &str, server: &TlsServer) -> ClientBuilder<C> {
    C::builder(url).root_certificates(server.authority().certificate()).connect_timeout(LONG)
}

fn presenting<C: Kind>(server: &TlsServer, client: &Identity) -> ClientBuilder<C> {
    trusting(&server.url(), server).client_certificate(&*client.certificate, &*client.key)
}

/// Neither the client nor a first write of one that connects late gets to the server.
async fn assert_refused<C: Kind>(builder: ClientBuilder<C>, reasons: &[&str]) {
    let error = C::build(builder.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    assert!(reasons.iter().any(|reason| error.to_string().contains(reason)), "{error}");
    let client = C::build(builder.lazy()).await.unwrap();
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    for error in [
        settle!(list.push_back("x")).unwrap_err(),
        settle!(list.wait_pop_front(LONG)).unwrap_err(),
        client.pipeline((list.deferred().push_back("x"),)).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Connect { .. }), "{error}");
    }
}

/// No line of the key is to be seen, neither as text nor as bytes.
fn assert_hides(key: &str, shown: &impl Debug) {
    let text = format!("{shown:?} {shown:#?}");
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        let bytes = format!("{:?}", line.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(!text.contains(line) && !text.contains(bytes), "{text}");
    }
}

/// The port of a server that answers over TLS like a Sentinel with a master on 127.0.0.1.
fn imitate_sentinel(authority: &Authority, master: u16) -> u16 {
    let identity = authority.certify_server(&["localhost"]).unwrap();
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let master = master.to_string();
    let named = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{master}\r\n", master.len());
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(session, socket));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
                let reply = match line.trim() {
                    "PING" => "+PONG\r\n",
                    "the-master" => &named,
                    _ => "",
                };
                let _ = stream.get_mut().write_all(reply.as_bytes());
                line.clear();
            }
        }
    });
    port
}

fn has_a_waiting_client(server: &TlsServer) -> bool {
    query(server.server().url(), "CLIENT LIST").is_ok_and(|list: String| list.contains("cmd=blpop"))
}
