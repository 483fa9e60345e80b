//! The limits of a blocking client's calls, whatever the server does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Applied, Client, Error, LocalServer, RedisDict, RedisList};
use support::kinds::SERVER;
use support::servers::proxy::Proxy;
use support::{IDLE, Lines, ask, eventually, send_signal};

const LIMIT: Duration = Duration::from_secs(2);

/// More than one limit on any machine, and less than two.
const ONCE: Duration = Duration::from_millis(3600);

/// Between two bytes of a server that is never silent for long.
const DRIP: Duration = Duration::from_millis(300);

/// A server that does with each connection what `serve` does. It gives its address.
fn scripted(serve: impl Fn(TcpStream) + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || serve(stream));
        }
    });
    address.to_string()
}

/// Answers each request, which comes in one piece, with what `reply` makes of it. A `PING` is
/// answered at once, others with a `pause` before each byte.
fn answer(mut stream: TcpStream, pause: Duration, reply: impl Fn(&str) -> String) {
    let mut request = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut request) {
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let (reply, pause) = match request.contains("PING") {
            true => (pong(&request), Duration::ZERO),
            false => (reply(&request), pause),
        };
        if !drip(&mut stream, reply.bytes(), pause) {
            return;
        }
    }
}

/// Sends bytes with a pause before each, which is what the tests are about, and returns whether all
/// were taken.
fn drip(stream: &mut TcpStream, bytes: impl IntoIterator<Item = u8>, pause: Duration) -> bool {
    bytes.into_iter().all(|byte| {
        thread::sleep(pause);
        stream.write_all(&[byte]).is_ok()
    })
}

/// A reply to `PING`, with or without an argument.
fn pong(request: &str) -> String {
    match request.lines().nth(4) {
        Some(nonce) => format!("${}\r\n{nonce}\r\n", nonce.len()),
        None => "+PONG\r\n".to_owned(),
    }
}

fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (call(), start.elapsed())
}

#[test]
fn connecting_takes_no_longer_than_its_limit_though_bytes_keep_coming() {
    let endless = |first: &'static [u8]| {
        scripted(move |mut stream| {
            drip(&mut stream, first.iter().copied().chain(std::iter::repeat(b'0')), DRIP);
        })
    };
    let (plain, password) = (endless(b"+"), endless(b"+O"));
    for url in [format!("redis://{plain}"), format!("redis://:password@{password}/2")] {
        let builder = Client::builder(&url).name("name").connect_timeout(LIMIT);
        let (opened, time) = timed(|| builder.build());
        assert!(matches!(&opened, Err(Error::Connect { .. })), "{opened:?}");
        assert!(time < ONCE, "{time:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_tls_handshake_takes_no_longer_than_the_connect_limit_though_bytes_keep_coming() {
    let record = [22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc];
    let address = scripted(move |mut stream| {
        drip(&mut stream, record.into_iter().chain(std::iter::repeat(0)), DRIP);
    });
    let builder = Client::builder(&format!("rediss://{address}")).connect_timeout(LIMIT);
    let (opened, time) = timed(|| builder.build());
    assert!(
        opened.as_ref().is_err_and(|error| error.to_string().contains("timed out")),
        "{opened:?}"
    );
    assert!(time < ONCE, "{time:?}");
}

#[test]
fn a_reply_takes_no_longer_than_the_calls_limit_though_bytes_keep_coming() {
    let address = scripted(|stream| {
        answer(stream, DRIP, |_| format!("$1000\r\n{}", "x".repeat(1000)));
    });
    let url = format!("redis://{address}");
    let client = Client::builder(&url).call_timeout(LIMIT).lazy().build().unwrap();
    let (dict, list) =
        (RedisDict::<String, String>::new(&client, "d"), RedisList::<String>::new(&client, "l"));
    let (got, time) = timed(|| dict.get("a"));
    assert!(got.as_ref().is_err_and(Error::is_timeout) && time < ONCE, "{got:?} {time:?}");
    let (popped, time) = timed(|| list.wait_pop_front(Duration::ZERO));
    assert!(popped.as_ref().is_err_and(Error::is_timeout) && time < ONCE, "{popped:?} {time:?}");
}

#[test]
fn a_server_that_sends_something_is_not_silent() {
    let address = scripted(|stream| {
        answer(stream, DRIP, |_| "$8\r\nprogress\r\n".into());
    });
    let client = Client::builder(&format!("redis://{address}")).response_timeout(LIMIT);
    let dict: RedisDict<String, String> = RedisDict::new(&client.lazy().build().unwrap(), "d");
    let (got, time) = timed(|| dict.get("a"));
    assert_eq!(got.unwrap().as_deref(), Some("progress"));
    assert!(time > LIMIT, "longer than it may be silent: {time:?}");
}

#[test]
fn a_call_on_a_frozen_server_takes_its_limit_once() {
    let server = LocalServer::start().unwrap();
    let builder = Client::builder(server.url()).response_timeout(LIMIT).connect_timeout(LIMIT);
    let client = builder.build().unwrap();
    let dict: RedisDict<String, String> = RedisDict::new(&client, "d");
    dict.insert("a", "value").unwrap();
    thread::sleep(IDLE);
    send_signal("STOP", server.process_id()).unwrap();
    let (idle, first) = timed(|| dict.insert("a", "other"));
    let (checked, second) = timed(|| client.check());
    let (waited, third) =
        timed(|| RedisList::<String>::new(&client, "l").wait_pop_front(Duration::ZERO));
    send_signal("CONT", server.process_id()).unwrap();
    for (error, time) in
        [(idle.unwrap_err(), first), (checked.unwrap_err(), second), (waited.unwrap_err(), third)]
    {
        assert!(time < ONCE, "{time:?}");
        assert!(matches!(&error, Error::Connect { .. }), "nothing was sent: {error}");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.applied(), Applied::No);
    }
    assert_eq!(dict.get("a").unwrap().as_deref(), Some("value"));
}

#[test]
fn the_refusal_of_a_connection_is_no_reply() {
    let server = LocalServer::start_with(&["--maxclients", "3"]).unwrap();
    let client = Client::builder(server.url()).lazy().build().unwrap();
    let list: RedisList<String> = RedisList::new(&client, "l");
    let admins = [(); 3].map(|()| Lines::connect(server.port()).unwrap());
    let clients = || ask(server.port(), "PING").unwrap();
    assert!(eventually(|| clients().starts_with("-ERR max")), "they are connected");
    let refused = scripted(|mut stream| {
        let _ = stream.write_all(b"-DENIED Redis is running in protected mode\r\n");
    });
    let guarded = Client::builder(&format!("redis://:s3cret@{refused}/2")).name("n").lazy();
    let guarded: RedisList<String> = RedisList::new(&guarded.build().unwrap(), "l");
    for (list, words) in [(&list, "max number of clients"), (&guarded, "DENIED")] {
        for error in [
            list.push_back("x").unwrap_err(),
            list.len().unwrap_err(),
            list.wait_pop_front(Duration::ZERO).unwrap_err(),
        ] {
            assert!(matches!(&error, Error::Connect { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.is_transient() && error.applied() == Applied::No, "{error}");
        }
    }
    drop(admins);
    assert!(eventually(|| list.push_back("x").is_ok()), "there is room again");
    assert_eq!(list.len().unwrap(), 1, "nothing was applied before");
}

#[test]
fn a_server_that_refuses_only_commands_is_connected_to() {
    for code in ["LOADING", "NOAUTH", "NOPERM", "MASTERDOWN", "BUSY"] {
        let address = scripted(move |mut stream| {
            let mut request = [0; 4096];
            while let Ok(1..) = stream.read(&mut request) {
                let _ = write!(stream, "-{code} not now\r\n");
            }
        });
        let client = Client::builder(&format!("redis://{address}")).lazy().build().unwrap();
        let dict: RedisDict<String, String> = RedisDict::new(&client, "d");
        assert_eq!(dict.get("a").unwrap_err().code(), Some(code));
    }
}

#[test]
fn a_connection_within_a_transaction_is_not_used() {
    let pool = r2d2::Pool::builder().max_size(1).test_on_check_out(false);
    let pool = pool.build(redis::Client::open(SERVER.url()).unwrap()).unwrap();
    let client = Client::builder(SERVER.url()).pool(pool.clone()).build().unwrap();
    let list: RedisList<u64> = RedisList::new(&client, "multi");
    for pause in [Duration::ZERO, IDLE] {
        assert_eq!(list.push_back(&1).unwrap(), 1);
        redis::cmd("MULTI").exec(&mut *pool.get().unwrap()).unwrap();
        thread::sleep(pause);
        let error = list.push_back(&2).err();
        if pause == IDLE {
            assert!(error.is_none(), "it was found out before: {error:?}");
        }
        if let Some(error) = &error {
            assert!(matches!(error, Error::UnexpectedReply { .. }), "{error}");
        }
        let pushed = 1 + usize::from(error.is_none());
        assert_eq!(list.len().unwrap(), pushed, "on another connection");
        list.clear().unwrap();
    }
}

#[test]
fn after_a_reply_of_the_wrong_shape_no_kept_connection_is_used() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = scripted(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(stream, Duration::ZERO, |request| match request.contains("MULTI") {
            true => "+OK\r\n+QUEUED\r\n*1\r\n:-1\r\n".into(),
            false => ":-1\r\n".into(),
        });
    });
    let client = Client::builder(&format!("redis://{address}")).build().unwrap();
    let list: RedisList<String> = RedisList::new(&client, "l");
    let length = || list.deferred().len();
    for (calls, error) in [
        list.len().unwrap_err(),
        client.pipeline((length(),)).unwrap().0.unwrap_err(),
        client.transaction((length(),)).unwrap_err(),
        list.len().unwrap_err(),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(matches!(&error, Error::UnexpectedReply { .. }), "{calls}: {error}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 4, "one a call");
}

#[test]
fn as_many_connections_are_kept_as_have_been_waiting() {
    const WAITING: usize = 40;
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let list: RedisList<u32> = RedisList::new(&client, "kept");
    let direct = list.on(&support::kinds::client());
    proxy.reset();
    for _ in 0..3 {
        thread::scope(|scope| {
            let waiting = [(); WAITING].map(|()| scope.spawn(|| list.wait_pop_front(ONCE * 10)));
            assert!(eventually(|| info("blocked_clients") == WAITING));
            direct.push_many(&(0..WAITING as u32).collect::<Vec<_>>()).unwrap();
            waiting
                .into_iter()
                .for_each(|thread| assert!(thread.join().unwrap().unwrap().is_some()));
        });
    }
    assert_eq!(proxy.connections(), WAITING);
}

fn info(figure: &str) -> usize {
    let text: String = support::servers::query(SERVER.url(), "INFO clients").unwrap();
    let line = text.lines().find(|line| line.starts_with(figure)).unwrap();
    line.rsplit(':').next().unwrap().parse().unwrap()
}
