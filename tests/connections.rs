//! How a client connects, shares its connections and keeps secrets.

use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{
    AsyncClient, Client, ClientBuilder, Error, LocalServer, RedisDict, RedisHashDict, RedisList,
    Wait,
};
use support::contract::ok;
use support::kinds::{Kind, SERVER};
use support::servers::proxy::Proxy;
use support::{ask, eventually};

const SHORT: Duration = Duration::from_millis(500);

#[test]
fn a_url_names_the_server_the_user_and_the_database() {
    let server = LocalServer::start_with(&["--requirepass", "p@ss w/rd"]).unwrap();
    let port = server.port();
    let socket = server.unix_socket().display().to_string();
    let admin = Client::open(&format!("redis://:p%40ss%20w%2Frd@127.0.0.1:{port}/")).unwrap();
    let dict: RedisDict<String, String> = RedisDict::new(&admin, "d");
    dict.insert("where", "database 0").unwrap();
    for (url, found) in [
        (format!("redis://:p%40ss%20w%2Frd@localhost:{port}"), Some("database 0")),
        (format!("redis://default:p%40ss%20w%2Frd@127.0.0.1:{port}/0"), Some("database 0")),
        (format!("redis://:p%40ss%20w%2Frd@127.0.0.1:{port}/3"), None),
        (format!("redis://:p%40ss%20w%2Frd@127.0.0.1:{port}/?protocol=resp3"), Some("database 0")),
        (format!("valkey://:p%40ss%20w%2Frd@127.0.0.1:{port}"), Some("database 0")),
        (format!("unix://{socket}?pass=p%40ss%20w%2Frd"), Some("database 0")),
        (format!("redis+unix://{socket}?pass=p%40ss%20w%2Frd&db=3"), None),
    ] {
        let client = Client::open(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(dict.on(&client).get("where").unwrap().as_deref(), found, "{url}");
    }
}

#[test]
fn a_user_without_a_password_is_never_the_default_one() {
    let server = LocalServer::start().unwrap();
    for rule in ["free on nopass ~mine* &* +@all", "kept on >s3cret ~* &* +@all"] {
        let set = format!("ACL SETUSER {rule}");
        assert_eq!(ask(server.port(), &set).unwrap(), "+OK\r\n");
    }
    Client::finish(a_user_without_a_password::<Client>(&server));
    AsyncClient::finish(a_user_without_a_password::<AsyncClient>(&server));
}

async fn a_user_without_a_password<C: Kind>(server: &LocalServer) {
    let (port, socket) = (server.port(), server.unix_socket().display().to_string());
    let plain = format!("redis://127.0.0.1:{port}");
    for (builder, given) in [
        (C::builder(&format!("redis://free@127.0.0.1:{port}")), "a name"),
        (C::builder(&format!("redis://free:@127.0.0.1:{port}")), "an empty password"),
        (C::builder(&format!("redis://free@127.0.0.1:{port}/?protocol=resp3")), "RESP3"),
        (C::builder(&format!("unix://{socket}?user=free")), "a socket"),
        (C::builder(&plain).user("free"), "the builder"),
        (C::builder(&format!("redis://kept@127.0.0.1:{port}")).user("free"), "another"),
        (C::builder(&plain).user("free").name("n").database(1), "a name and a database"),
    ] {
        let client = C::build(builder).await.expect(given);
        let dict = |name: &str| RedisDict::<String, String, C>::new(&client, name);
        ok!(dict("mine").insert("a", "x"));
        let refusal = C::settle(dict("theirs").insert("a", "x")).await.expect_err(given);
        assert_eq!(refusal.code(), Some("NOPERM"), "{given}: {refusal}");
    }
    for (builder, given) in [
        (C::builder(&format!("redis://kept@127.0.0.1:{port}")), "a name"),
        (C::builder(&format!("redis://kept:@127.0.0.1:{port}")), "an empty password"),
        (C::builder(&plain).user("kept"), "the builder"),
        (C::builder(&plain).user(""), "an empty name"),
    ] {
        let error = C::build(builder).await.expect_err(given);
        assert!(
            matches!(error, Error::Connect { .. }) && !error.is_transient(),
            "{given}: {error}"
        );
    }
    let with_password = C::builder(&format!("redis://kept@127.0.0.1:{port}")).password("s3cret");
    assert!(C::build(with_password).await.is_ok());
}

#[test]
fn settings_that_the_server_refuses_are_not_transient() {
    let server = LocalServer::start().unwrap();
    let node = LocalServer::start_with(&["--cluster-enabled", "yes"]).unwrap();
    for rule in ["SETUSER mute on nopass ~* &* +@all -client", "SETUSER poor on nopass -@all"] {
        assert_eq!(ask(server.port(), &format!("ACL {rule}")).unwrap(), "+OK\r\n");
    }
    Client::finish(settings_are_refused::<Client>(&server, &node));
    AsyncClient::finish(settings_are_refused::<AsyncClient>(&server, &node));
}

async fn settings_are_refused<C: Kind>(server: &LocalServer, node: &LocalServer) {
    let (url, port) = (server.url(), server.port());
    for (builder, reason) in [
        (C::builder(&format!("{url}99")), "out of range"),
        (C::builder(&format!("{url}99?protocol=resp3")), "out of range"),
        (C::builder(url).database(u32::MAX), "out of range"),
        (C::builder(&format!("{}1", node.url())), "refused to switch database"),
        (C::builder(url).name("with spaces"), "name"),
        (C::builder(&format!("redis://mute@127.0.0.1:{port}")).name("n"), "NOPERM"),
        (C::builder(&format!("redis://poor@127.0.0.1:{port}/1")), "NOPERM"),
        (C::builder(&format!("redis://nobody:x@127.0.0.1:{port}")), "authentication failed"),
        (C::builder(&format!("redis://nobody:x@127.0.0.1:{port}?protocol=3")), "cannot connect"),
    ] {
        let error = C::build(builder.clone()).await.expect_err(reason);
        assert!(matches!(error, Error::Connect { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert!(!error.is_transient(), "{error}");
        // A wait ends rather than trying again.
        let client = C::build(builder.lazy()).await.expect(reason);
        let list: RedisList<String, C> = RedisList::new(&client, "l");
        let waited = C::settle(list.wait_pop_front(Wait::Forever)).await;
        assert!(waited.is_err_and(|error| !error.is_transient()), "{reason}");
    }
}

#[test]
fn a_connection_has_the_name_it_was_given() {
    let client = Client::builder(SERVER.url()).name("the-namesake").build().unwrap();
    let list: RedisList<String> = RedisList::new(&client, "named");
    list.wait_pop_front(Duration::ZERO).unwrap();
    let mut direct = redis::Client::open(SERVER.url()).unwrap().get_connection().unwrap();
    let listed: String = redis::cmd("CLIENT").arg("LIST").query(&mut direct).unwrap();
    assert_eq!(listed.matches("name=the-namesake").count(), 2, "pooled and waiting: {listed}");
}

#[test]
fn a_failed_connection_is_an_error_at_once_that_names_the_address() {
    let port = unused_port();
    let server = LocalServer::start_with(&["--requirepass", "right"]).unwrap();
    let guarded = server.port();
    for (url, said) in [
        (format!("redis://:s3cret@127.0.0.1:{port}/"), format!("127.0.0.1:{port}")),
        (format!("redis://:s3cret@127.0.0.1:{guarded}/"), format!("127.0.0.1:{guarded}")),
        (format!("redis://me:s3cret@127.0.0.1:{guarded}/"), format!("127.0.0.1:{guarded}")),
        ("unix:///nowhere/socket?pass=s3cret".into(), "/nowhere/socket".into()),
        ("redis://:s3cret@no-such-host.invalid/".into(), "no-such-host.invalid".into()),
    ] {
        let error = Client::open(&url).unwrap_err();
        assert!(matches!(&error, Error::Connect { .. }), "{url}: {error}");
        assert!(error.to_string().contains(&said), "{url}: {error}");
        assert!(error.is_connection_lost() && !error.may_have_been_applied());
        assert_has_no_secret(&error);
    }
    let unauthenticated = Client::open(&format!("redis://127.0.0.1:{guarded}/")).unwrap_err();
    assert_eq!(unauthenticated.code(), Some("NOAUTH"), "{unauthenticated}");
}

#[test]
fn an_invalid_url_or_setting_is_rejected() {
    for url in [
        "",
        "s3cret",
        "http://:s3cret@localhost/",
        "redis://:s3cret",
        "redis://:s3cret@localhost:99999999/",
        "redis://:s3cret@localhost/database",
    ] {
        let error = Client::open(url).unwrap_err();
        assert!(matches!(&error, Error::Configuration(_)), "{url}: {error}");
        assert_has_no_secret(&error);
    }
    for builder in [
        Client::builder(SERVER.url()).pool_size(0),
        Client::builder(SERVER.url()).pooled(0),
        Client::builder(SERVER.url()).shared_connections(0),
        Client::builder(SERVER.url()).pool_size(u32::MAX),
        Client::builder(SERVER.url()).pooled(65_536),
        Client::builder(SERVER.url()).shared_connections(1025),
        Client::builder(SERVER.url()).connect_timeout(Duration::ZERO),
        Client::builder(SERVER.url()).response_timeout(Duration::ZERO),
        Client::builder(SERVER.url()).checkout_timeout(Duration::ZERO),
    ] {
        assert!(matches!(builder.build(), Err(Error::Configuration(_))));
    }
}

#[test]
fn a_time_limit_may_be_the_longest_possible() {
    let builder = || Client::builder(SERVER.url());
    for (limit, builder) in [
        ("connect", builder().connect_timeout(Duration::MAX)),
        ("response", builder().response_timeout(Duration::MAX)),
        ("failover", builder().failover_timeout(Duration::MAX)),
        ("checkout", builder().checkout_timeout(Duration::MAX)),
    ] {
        Client::finish(calls_and_waits(limit, builder));
    }
    let builder = || AsyncClient::builder(SERVER.url());
    for (limit, builder) in [
        ("connect", builder().connect_timeout(Duration::MAX)),
        ("response", builder().response_timeout(Duration::MAX)),
        ("failover", builder().failover_timeout(Duration::MAX)),
    ] {
        AsyncClient::finish(calls_and_waits(limit, builder));
    }
}

async fn calls_and_waits<C: Kind>(limit: &str, builder: ClientBuilder<C>) {
    let client = C::build(builder).await.expect(limit);
    let list: RedisList<String, C> = RedisList::new(&client, limit);
    assert_eq!(ok!(list.push_back("x")), 1, "{limit}");
    assert_eq!(ok!(list.wait_pop_front(SHORT)).as_deref(), Some("x"), "{limit}");
    assert_eq!(ok!(list.wait_pop_front(SHORT)), None, "{limit}");
}

#[test]
fn a_lazy_client_connects_at_its_first_call() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::builder(&proxy.url()).lazy().build().unwrap();
    assert_eq!(proxy.connections(), 0);
    client.check().unwrap();
    assert_eq!(proxy.connections(), 1);
    let nowhere = format!("redis://127.0.0.1:{}/", unused_port());
    let client = Client::builder(&nowhere).lazy().build().unwrap();
    assert!(matches!(client.check(), Err(Error::Connect { .. })));
}

#[test]
fn a_pool_in_full_use_is_an_error_after_the_checkout_timeout() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let builder = Client::builder(&proxy.url()).shared_connections(3).pooled(1).pool_size(20);
    let builder = builder.checkout_timeout(SHORT);
    let client = builder.build().unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "in-full-use");
    proxy.reset();
    proxy.hold(support::servers::proxy::Direction::Replies);
    thread::scope(|scope| {
        let first = scope.spawn(|| dict.get(&1));
        assert!(eventually(|| proxy.round_trips() > 0), "the first call is under way");
        let error = client.check().unwrap_err();
        assert!(matches!(&error, Error::PoolExhausted { waited, .. } if *waited == SHORT));
        assert!(error.is_timeout() && !error.may_have_been_applied(), "{error}");
        proxy.release();
        first.join().unwrap().unwrap();
    });
    client.check().unwrap();
}

#[test]
fn waiting_calls_never_starve_the_pool() {
    const WAITING: usize = 100;
    let client = Client::builder(SERVER.url()).pooled(1).build().unwrap();
    let list: RedisList<u32> = RedisList::new(&client, "starve");
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..WAITING).map(|_| scope.spawn(|| list.wait_pop_front(Wait::Forever))).collect();
        assert!(eventually(|| info(&SERVER, "blocked_clients") >= WAITING));
        let started = Instant::now();
        assert_eq!(list.len().unwrap(), 0);
        assert!(started.elapsed() < Duration::from_secs(4), "it did not wait for a waiting call");
        list.push_many(&(0..WAITING as u32).collect::<Vec<_>>()).unwrap();
        let mut taken: Vec<u32> =
            waiting.into_iter().map(|thread| thread.join().unwrap().unwrap().unwrap()).collect();
        taken.sort();
        assert_eq!(taken, (0..WAITING as u32).collect::<Vec<_>>());
    });
}

#[test]
fn the_users_own_pool_is_used_and_its_broken_connections_are_replaced() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let pool = r2d2::Pool::builder().max_size(1).test_on_check_out(false);
    let pool = pool.build(redis::Client::open(proxy.url()).unwrap()).unwrap();
    // Enough for a new connection on a busy machine.
    let silence = Duration::from_secs(3);
    let builder = Client::builder(&proxy.url()).pool(pool.clone()).response_timeout(silence);
    let client = builder.lazy().build().unwrap();
    let dict: RedisDict<String, String> = RedisDict::new(&client, "own-pool");
    dict.insert("a", "x").unwrap();
    assert_eq!(proxy.connections(), 1, "no other connection was made");

    proxy.hold(support::servers::proxy::Direction::Replies);
    let error = dict.insert("a", "y").unwrap_err();
    assert!(error.is_timeout() && error.may_have_been_applied(), "{error}");
    proxy.release();
    for _ in 0..3 {
        assert_eq!(dict.get("a").unwrap().as_deref(), Some("y"), "each reply is to its own call");
    }
    assert_eq!(proxy.connections(), 2, "the one whose reply was unread is not used again");

    proxy.kill();
    assert_eq!(dict.get("a").unwrap().as_deref(), Some("y"));
    dict.insert("a", "z").unwrap();
    let mut direct = pool.get().unwrap();
    let found: String = redis::cmd("GET").arg("own-pool:a").query(&mut direct).unwrap();
    assert_eq!(found, "z", "the pool still works for others");
}

#[test]
fn a_missing_permission_is_noperm_and_shows_no_secret() {
    let server = LocalServer::start().unwrap();
    let rule = "ACL SETUSER reader on >s3cret ~mine* resetchannels -@all +get +hget";
    assert_eq!(ask(server.port(), rule).unwrap(), "+OK\r\n");
    let client = Client::open(&format!("redis://reader:s3cret@127.0.0.1:{}/", server.port()));
    let client = client.unwrap();
    let (mine, theirs): (RedisDict<String, String>, RedisDict<String, String>) =
        (RedisDict::new(&client, "mine"), RedisDict::new(&client, "theirs"));
    assert_eq!(mine.get("a").unwrap(), None);
    for error in [
        theirs.get("a").unwrap_err(),
        mine.insert("a", "value").unwrap_err(),
        mine.len().unwrap_err(),
        client.transaction((mine.deferred().get("a"),)).unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("NOPERM"), "{error}");
        assert_has_no_secret(&error);
    }
}

#[test]
fn no_secret_is_shown_by_any_public_type() {
    let server = LocalServer::start_with(&["--requirepass", "s3cret"]).unwrap();
    let url = format!("redis://:s3cret@127.0.0.1:{}/", server.port());
    let builder = Client::builder(&url);
    assert_has_no_secret(&builder);
    let client = builder.build().unwrap();
    assert_has_no_secret(&client);
    let dict: RedisHashDict<String, u32> = RedisHashDict::new(&client, "d");
    let texts: RedisHashDict<String, String> = dict.typed();
    texts.insert("a", "s3cret").unwrap();
    assert_has_no_secret(&dict);
    assert_has_no_secret(&texts.deferred().insert("a", "s3cret"));
    assert_has_no_secret(&dict.iter());
    assert_has_no_secret(&dict.get("a").unwrap_err());
    assert_has_no_secret(&dict.increment("a", 1).unwrap_err());
    assert_has_no_secret(&dict.lenient().get("a").unwrap());
    for error in dict.iter().chain(dict.iter()) {
        assert_has_no_secret(&error.unwrap_err());
    }
    assert_has_no_secret(&dict.insert_with_ttl("a", &1, SHORT));
}

#[test]
fn clients_share_their_connections_between_clones_and_threads() {
    let builder: fn(&str) -> ClientBuilder = Client::builder;
    let shared = |url: &str| builder(url).shared_connections(3);
    clones_share_connections("shared", 3, shared);
    clones_share_connections("pooled", 3, |url| builder(url).pooled(3));
}

fn clones_share_connections(name: &str, most: usize, builder: impl Fn(&str) -> ClientBuilder) {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = builder(&proxy.url()).build().unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, name);
    thread::scope(|scope| {
        for thread in 0..8 {
            let dict = dict.on(&client.clone());
            scope.spawn(move || {
                (0..50).for_each(|key| dict.insert(&(thread * 50 + key), &key).unwrap())
            });
        }
    });
    assert!(proxy.connections() <= most, "{name}");
    assert_eq!(dict.len().unwrap(), 400);
}

#[test]
fn nothing_is_left_open_when_a_client_ends() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let list: RedisList<String> = RedisList::new(&client, "l");
    list.wait_pop_front(Duration::ZERO).unwrap();
    assert_eq!(info(&server, "connected_clients"), 3);
    drop((list, client));
    assert!(eventually(|| info(&server, "connected_clients") == 1));
}

#[test]
fn a_builder_shows_its_numbers_of_connections() {
    let builder = Client::builder("redis://localhost").pooled(4).shared_connections(3);
    let shown = format!("{:?}", builder.pool_size(21));
    for number in ["shared_connections: 3", "pool_size: 21", "pooled: None"] {
        assert!(shown.contains(number), "{shown}");
    }
}

fn assert_has_no_secret(shown: &impl std::fmt::Debug) {
    let text = format!("{shown:?} {shown:#?}");
    assert!(!text.contains("s3cret"), "{text}");
}

fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A figure of the server's `INFO clients`, where the connection that asks is a client too.
fn info(server: &LocalServer, figure: &str) -> usize {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let text: String = redis::cmd("INFO").arg("clients").query(&mut connection).unwrap();
    let line = text.lines().find(|line| line.starts_with(figure)).unwrap();
    line.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_call_allocates_no_more_than_one_by_hand() {
    let dict: RedisDict<String, u64> = RedisDict::new(&support::kinds::client(), "allocations");
    let by_hand = redis::Client::open(SERVER.url()).unwrap();
    let mut by_hand = by_hand.get_connection().unwrap();
    dict.insert("k", &7).unwrap();
    let count = |call: &mut dyn FnMut()| {
        // A probe, after a pause of a busy machine, allocates too.
        let counted = (0..5).map(|_| allocation_counter::measure(&mut *call).count_total);
        counted.min().unwrap()
    };
    let ours = count(&mut || assert_eq!(dict.get("k").unwrap(), Some(7)));
    let theirs = count(&mut || {
        let value: Option<u64> =
            redis::cmd("GET").arg("allocations:k").query(&mut by_hand).unwrap();
        assert_eq!(value, Some(7));
    });
    assert!(ours <= theirs, "{ours} allocations, and {theirs} by hand");
}

#[test]
fn no_connection_keeps_the_room_of_a_large_reply() {
    const LARGE: usize = 20_000_000;
    let builder = || Client::builder(SERVER.url());
    for (name, builder) in [("shared", builder()), ("pooled", builder().pooled(1))] {
        let client = builder.build().unwrap();
        let dict: RedisDict<String, String> = RedisDict::new(&client, "room");
        dict.insert("large", &"x".repeat(LARGE)).unwrap();
        let read = || {
            let both = (dict.deferred().get("large"), dict.deferred().get("small"));
            let (large, small) = client.pipeline(both).unwrap();
            assert_eq!((large.unwrap().unwrap().len(), small.unwrap()), (LARGE, None));
        };
        let kept = allocation_counter::measure(read).bytes_current;
        assert!(kept < LARGE as i64 / 10, "{name}: {kept} bytes");
    }
}
