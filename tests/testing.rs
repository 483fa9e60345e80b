//! The feature for the tests of other programs: a shared server, namespaces and faults.

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::testing::{FaultProxy, Namespace};
use redis_collections::{
    Applied, CacheClient, CachePolicy, Client, LocalServer, RedisDict, RedisHashDict, RedisList,
    WorkQueue,
};
use support::contract::on_both_kinds;
use support::kinds::Kind;
use support::servers::query;
use support::servers::sentinel::Sentinels;
use support::{LATE, ask, eventually};

type Outcome = Result<(), Box<dyn Error>>;

on_both_kinds! {
    a_reply_that_is_swallowed_leaves_its_write_applied,
    a_half_open_connection_is_silent_until_it_is_forwarded_again,
    connections_that_are_cut_are_made_again,
}

/// Set in a test program that another one has started, to the part it plays.
const CHILD: &str = "TESTING_CHILD";

/// The output of `part`, in a program of its own that runs only `test`.
fn child(test: &str, part: &str, environment: &[(&str, &str)]) -> io::Result<Output> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--exact", test, "--nocapture"]).env(CHILD, part);
    command.env_remove("REDIS_SERVER").env_remove("REDIS_URL");
    command.envs(environment.iter().copied()).output()
}

/// The name of a key of each kind, and of one beside it.
fn fill(client: &Client, names: &Namespace) -> Outcome {
    RedisDict::<String, u32>::new(client, names.name("dict")).insert("ann", &1)?;
    RedisHashDict::<String, u32>::new(client, names.name("hash")).insert("ann", &1)?;
    RedisList::<u32>::new(client, names.name("list")).push_back(&1)?;
    let queue: WorkQueue<u32> = WorkQueue::new(client, names.name("queue"));
    queue.push_in(&1, LATE)?;
    let policy = CachePolicy::time_to_live(LATE);
    let load = |_, ()| Ok::<_, io::Error>(1);
    let cache: CacheClient<String, u32> =
        CacheClient::new(client, names.name("cache"), policy, load)?;
    assert_eq!(cache.get("ann")?.as_deref(), Some(&1));
    Ok(())
}

fn keys(port: u16) -> io::Result<String> {
    ask(port, "DBSIZE")
}

/// The host and port of a proxy.
fn address(proxy: &FaultProxy) -> String {
    proxy.url().trim_start_matches("redis://").trim_end_matches('/').to_owned()
}

/// Returns whether a connection was closed or reset, rather than silent.
fn has_ended(connection: &mut TcpStream) -> bool {
    match connection.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn all_tests_of_a_program_share_one_server() -> Outcome {
    let urls = thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(LocalServer::shared)).collect();
        calls.into_iter().map(|call| call.join().expect("no panic")).collect::<Vec<_>>()
    });
    let first = LocalServer::shared()?;
    for shared in urls {
        assert!(std::ptr::eq(shared?, first));
    }
    Client::open(first.url())?.check()?;
    Ok(())
}

#[test]
fn a_namespace_removes_its_own_keys_and_no_others() -> Outcome {
    let test = "a_namespace_removes_its_own_keys_and_no_others";
    if env::var_os(CHILD).is_some() {
        let server = LocalServer::shared()?;
        let client = Client::open(server.url())?;
        let (one, other) = (server.namespace(), server.namespace());
        assert_ne!(one.prefix(), other.prefix());
        fill(&client, &one)?;
        fill(&client, &other)?;
        let many: RedisDict<u32, u32> = RedisDict::new(&client, one.name("many"));
        let numbers: Vec<u32> = (0..3000).collect();
        many.extend(numbers.iter().map(|number| (number, number)))?;
        drop(one);
        assert!(many.is_empty()?);
        let dict: RedisDict<String, u32> = RedisDict::new(&client, other.name("dict"));
        assert_eq!(dict.get("ann")?, Some(1));
        println!("\nfinished");
        return Ok(());
    }
    let server = LocalServer::start()?;
    assert_eq!(ask(server.port(), "SET test-it 1")?, "+OK\r\n");
    let output = child(test, "tests", &[("REDIS_URL", server.url())])?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.contains("\nfinished"), "{output:?}");
    assert_eq!(keys(server.port())?, ":1\r\n");
    assert_eq!(ask(server.port(), "EXISTS test-it")?, ":1\r\n");
    Ok(())
}

#[test]
fn a_server_whose_keys_could_not_be_removed_is_refused() -> Outcome {
    let test = "a_server_whose_keys_could_not_be_removed_is_refused";
    if env::var_os(CHILD).is_some() {
        let error = LocalServer::shared().map(|_| ()).expect_err("no such server is usable");
        println!("\n{error}");
        return Ok(());
    }
    let node = LocalServer::start_with(&["--cluster-enabled", "yes"])?;
    let sentinels = Sentinels::start()?;
    for (url, reason) in [
        (node.url(), "the server of REDIS_URL cannot be used: it is a node of a cluster"),
        (&sentinels.urls()[0], "the server of REDIS_URL cannot be used: it is a Sentinel"),
    ] {
        let output = child(test, "tests", &[("REDIS_URL", url)])?;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && shown.contains(reason), "{output:?}");
    }
    Ok(())
}

#[test]
fn the_keys_of_a_test_that_panics_are_removed() -> Outcome {
    let server = LocalServer::shared()?;
    let client = Client::open(server.url())?;
    let panicked = thread::spawn(move || {
        let names = server.namespace();
        fill(&client, &names).expect("keys");
        let prefix = names.prefix().to_owned();
        let list: RedisList<u32> = RedisList::new(&client, format!("{prefix}list"));
        assert_eq!(list.len().expect("a length"), 1);
        std::panic::panic_any(prefix);
    });
    let prefix = panicked.join().expect_err("a panic");
    let prefix = prefix.downcast_ref::<String>().ok_or("no prefix")?;
    let list: RedisList<u32> =
        RedisList::new(&Client::open(server.url())?, format!("{prefix}list"));
    assert!(list.is_empty()?);
    Ok(())
}

#[test]
fn without_a_server_the_error_says_how_to_get_one() -> Outcome {
    let test = "without_a_server_the_error_says_how_to_get_one";
    if env::var_os(CHILD).is_some() {
        for _ in 0..2 {
            let error = LocalServer::shared().err().ok_or("started")?;
            println!("\n{:?}: {error}", error.kind());
        }
        return Ok(());
    }
    let output = child(test, "tests", &[("PATH", "/nowhere")])?;
    let shown = String::from_utf8(output.stdout)?;
    let lines: Vec<_> = shown.lines().filter(|line| line.starts_with("NotFound: ")).collect();
    assert_eq!(lines.len(), 2, "{shown}");
    for advice in ["apt-get install", "brew install", "REDIS_SERVER", "REDIS_URL"] {
        assert!(lines.iter().all(|line| line.contains(advice)), "{advice}: {shown}");
    }

    let unusable = ["redis://:s3cret@127.0.0.1:1/", "s3cret"];
    for url in unusable {
        let output = child(test, "tests", &[("REDIS_URL", url)])?;
        let shown = String::from_utf8(output.stdout)?;
        assert!(shown.contains("\nOther: the server of REDIS_URL cannot be used: "), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    Ok(())
}

async fn a_reply_that_is_swallowed_leaves_its_write_applied<C: Kind>() {
    let server = LocalServer::shared().unwrap();
    let names = server.namespace();
    let proxy = FaultProxy::to(server.url()).unwrap();
    let began = Instant::now();
    // A connection that idles too long before the push is probed first, also in vain.
    let client = loop {
        proxy.forward();
        let builder = C::builder(proxy.url()).response_timeout(Duration::from_secs(1));
        let client = C::connected(builder).await;
        let list: RedisList<u32, C> = RedisList::new(&client, names.name("list"));
        proxy.swallow_replies();
        let error = C::settle(list.push_back(&7)).await.unwrap_err();
        if error.applied() == Applied::Perhaps {
            break client;
        }
        assert!(began.elapsed() < LATE, "{error}");
    };
    let direct = Client::open(server.url()).unwrap();
    let direct: RedisList<u32> = RedisList::new(&direct, names.name("list"));
    assert_eq!(direct.wait_pop_front(LATE).unwrap(), Some(7));

    proxy.forward();
    let list: RedisList<u32, C> = RedisList::new(&client, names.name("list"));
    assert_eq!(C::settle(list.len()).await.unwrap(), 0);
}

#[test]
fn no_reply_takes_the_place_of_one_that_was_swallowed() -> Outcome {
    let server = LocalServer::start()?;
    let proxy = FaultProxy::to(server.url())?;
    let mut connection = TcpStream::connect(address(&proxy))?;
    connection.write_all(b"PING\r\n")?;
    connection.read_exact(&mut [0; 7])?;
    proxy.swallow_replies();
    connection.write_all(b"SET key value\r\n")?;
    assert!(eventually(|| ask(server.port(), "EXISTS key").is_ok_and(|reply| reply == ":1\r\n")));
    // A reply that the proxy has not seen by then is delivered, which is as well.
    thread::sleep(Duration::from_millis(50));
    proxy.forward();
    let _ = connection.write_all(b"PING\r\n");
    connection.set_read_timeout(Some(LATE))?;
    let mut reply = [0; 5];
    match connection.read_exact(&mut reply) {
        Ok(()) => assert_eq!(&reply, b"+OK\r\n"),
        Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "{error}"),
    }
    Ok(())
}

async fn a_half_open_connection_is_silent_until_it_is_forwarded_again<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = FaultProxy::to(server.url()).unwrap();
    let mut present = TcpStream::connect(address(&proxy)).unwrap();
    present.write_all(b"PING\r\n").unwrap();
    present.read_exact(&mut [0; 7]).unwrap();
    let clients = || query::<String>(server.url(), "CLIENT LIST").unwrap().lines().count();
    assert_eq!(clients(), 2);

    proxy.half_open();
    // The one that asks is left.
    assert!(eventually(|| clients() == 1));
    let brief = Duration::from_millis(200);
    present.write_all(b"PING\r\n").unwrap();
    present.set_read_timeout(Some(brief)).unwrap();
    let silent = present.read(&mut [0; 7]).unwrap_err();
    assert!(matches!(silent.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    let refused = C::build(C::builder(proxy.url()).connect_timeout(brief)).await;
    assert!(refused.unwrap_err().is_timeout());

    proxy.forward();
    present.set_read_timeout(Some(LATE)).unwrap();
    assert!(has_ended(&mut present));
    let client = C::connected(C::builder(proxy.url())).await;
    C::check(&client).await.unwrap();
}

async fn connections_that_are_cut_are_made_again<C: Kind>() {
    let server = LocalServer::shared().unwrap();
    let proxy = FaultProxy::to(server.url()).unwrap();
    let client = C::connected(C::builder(proxy.url())).await;
    C::check(&client).await.unwrap();
    proxy.cut();
    C::check(&client).await.unwrap_err();
    assert!(C::build(C::builder(proxy.url())).await.is_err());
    proxy.forward();
    C::check(&client).await.unwrap();
}

#[test]
fn a_delayed_reply_is_late_by_that_time() -> Outcome {
    let server = LocalServer::shared()?;
    let proxy = FaultProxy::to(server.url())?;
    let client = Client::open(proxy.url())?;
    let delay = Duration::from_millis(300);
    proxy.delay(delay);
    let began = Instant::now();
    client.check()?;
    assert!(began.elapsed() >= delay);

    // The end of the fault ends the wait.
    proxy.delay(LATE * 100);
    thread::scope(|scope| {
        let call = scope.spawn(|| client.check());
        // Whether the reply waits already makes no difference.
        thread::sleep(Duration::from_millis(50));
        proxy.forward();
        call.join().expect("no panic")
    })?;
    Ok(())
}

#[test]
fn a_proxy_keeps_all_of_a_url_but_the_address() -> Outcome {
    let proxy = FaultProxy::to("redis://me:p%40w@127.0.0.1:1/3?protocol=resp3")?;
    let (before, after) = proxy.url().split_once("127.0.0.1:").ok_or("no address")?;
    assert_eq!(before, "redis://me:p%40w@");
    assert!(after.ends_with("/3?protocol=resp3"), "{after}");
    assert!(!format!("{proxy:?}").contains("p%40w"));
    for url in ["unix:///tmp/socket", "rediss://127.0.0.1/", "nonsense"] {
        let error = FaultProxy::to(url).err().ok_or("accepted")?;
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
    }
    Ok(())
}

#[test]
fn the_connections_of_a_proxy_end_with_it() -> Outcome {
    let server = LocalServer::shared()?;
    let proxy = FaultProxy::to(server.url())?;
    let address = address(&proxy);
    let mut silent = TcpStream::connect(&address)?;
    silent.write_all(b"PING\r\n")?;
    silent.read_exact(&mut [0; 7])?;
    drop(proxy);
    silent.set_read_timeout(Some(LATE))?;
    assert!(has_ended(&mut silent));
    assert!(TcpStream::connect(&address).is_err());
    Ok(())
}
