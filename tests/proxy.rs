//! The proxy that other tests use to count round trips and to make faults.

use redis_collections::{Client, LocalServer, RedisDict};
use std::{
    error::Error,
    io::ErrorKind,
    thread,
    time::{Duration, Instant},
};
use support::servers::proxy::{Direction, Proxy};
use support::{IDLE, Lines, ask, eventually};

type Outcome = Result<(), Box<dyn Error>>;

const PONG: &str = "+PONG\r\n";
const SHORT: Duration = Duration::from_millis(100);

fn server_and_proxy() -> Result<(LocalServer, Proxy), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let proxy = Proxy::to(server.port())?;
    Ok((server, proxy))
}

/// Whether the connection has ended without a further line.
fn is_closed(lines: &mut Lines) -> bool {
    match lines.receive() {
        Ok(line) => line.is_empty(),
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn greetings_and_probes_of_connections_are_not_counted() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let client = Client::open(&proxy.url())?;
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "probed");
    dict.get("a")?;
    assert_eq!(proxy.round_trips(), 1);
    // The client probes a connection that was idle for so long.
    thread::sleep(IDLE);
    dict.get("a")?;
    assert_eq!(proxy.round_trips(), 2);
    Ok(())
}

#[test]
fn a_pipelined_burst_is_one_round_trip() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    lines.send(&"PING\r\n".repeat(100))?;
    for _ in 0..100 {
        assert_eq!(lines.receive()?, PONG);
    }
    assert_eq!(proxy.round_trips(), 1);
    lines.send("PI")?;
    assert!(eventually(|| proxy.round_trips() == 2));
    assert_eq!(lines.ask("NG")?, PONG);
    assert_eq!(proxy.round_trips(), 2);
    Ok(())
}

#[test]
fn commands_one_by_one_are_a_round_trip_each() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    assert_eq!(proxy.url(), format!("redis://127.0.0.1:{}/", proxy.port()));
    let mut connections = [Lines::connect(proxy.port())?, Lines::connect(proxy.port())?];
    for lines in &mut connections {
        assert_eq!(lines.ask("PING")?, PONG);
        assert_eq!(lines.ask("PING")?, PONG);
    }
    assert_eq!((proxy.connections(), proxy.round_trips()), (2, 4));
    proxy.reset();
    assert_eq!(connections[0].ask("PING")?, PONG);
    assert_eq!((proxy.connections(), proxy.round_trips()), (0, 1));
    Ok(())
}

#[test]
fn a_probe_of_an_idle_connection_is_no_round_trip() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    lines.send("*1\r\n$4\r\nPING\r\n")?;
    assert_eq!((lines.receive()?, proxy.round_trips()), (PONG.to_owned(), 0));
    lines.send("*2\r\n$4\r\nPING\r\n$1\r\nx\r\n")?;
    assert_eq!((lines.receive()?, proxy.round_trips()), ("$1\r\n".to_owned(), 1));
    Ok(())
}

#[test]
fn a_cut_lets_exactly_so_many_bytes_pass_and_happens_once() -> Outcome {
    let (server, proxy) = server_and_proxy()?;
    let request = "INCR n\r\n";
    let reply_of = |count| format!(":{count}\r\n");
    let cases = [
        (Direction::Requests, 0, 0, ""),
        (Direction::Requests, request.len() - 1, 0, ""),
        (Direction::Replies, 0, 1, ""),
        (Direction::Replies, 1, 1, ":"),
        (Direction::Replies, 4, 1, ":1\r\n"),
    ];
    for (direction, bytes, ran, received) in cases {
        ask(server.port(), "DEL n")?;
        let mut lines = Lines::connect(proxy.port())?;
        proxy.cut_after(bytes, direction);
        lines.send(request)?;
        assert_eq!(lines.receive()?, received, "{direction:?} {bytes}");
        assert!(is_closed(&mut lines), "{direction:?} {bytes}");
        let mut next = Lines::connect(proxy.port())?;
        assert_eq!(next.ask("INCR n")?, reply_of(ran + 1), "{direction:?} {bytes}");
    }
    Ok(())
}

#[test]
fn a_whole_request_before_its_cut_still_runs() -> Outcome {
    let (server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    let request = "INCR n\r\n";
    proxy.cut_after(request.len(), Direction::Requests);
    lines.send(request)?;
    assert!(eventually(|| ask(server.port(), "EXISTS n").is_ok_and(|reply| reply == ":1\r\n")));
    Ok(())
}

#[test]
fn held_bytes_come_after_the_release() -> Outcome {
    let (server, proxy) = server_and_proxy()?;
    for (direction, ran) in [(Direction::Requests, ":0\r\n"), (Direction::Replies, ":1\r\n")] {
        ask(server.port(), "DEL n")?;
        let mut lines = Lines::connect(proxy.port())?;
        proxy.hold(direction);
        lines.set_patience(SHORT)?;
        let silence = lines.ask("INCR n").err().map(|error| error.kind());
        assert_eq!(silence, Some(ErrorKind::WouldBlock), "{direction:?}");
        assert_eq!(ask(server.port(), "EXISTS n")?, ran, "{direction:?}");
        proxy.release();
        lines.set_patience(Duration::from_secs(30))?;
        assert_eq!(lines.receive()?, ":1\r\n", "{direction:?}");
    }
    Ok(())
}

#[test]
fn a_delayed_reply_takes_that_long() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    proxy.delay_replies(SHORT);
    let start = Instant::now();
    assert_eq!(lines.ask("PING")?, PONG);
    assert!(start.elapsed() >= SHORT);
    Ok(())
}

#[test]
fn refusing_spares_present_connections() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    assert_eq!(lines.ask("PING")?, PONG);
    proxy.refuse();
    let refused = ask(proxy.port(), "PING").err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
    assert_eq!(lines.ask("PING")?, PONG);
    proxy.accept()?;
    assert_eq!(ask(proxy.port(), "PING")?, PONG);
    assert_eq!(proxy.connections(), 2);
    Ok(())
}

#[test]
fn killing_ends_present_connections_only() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let mut lines = Lines::connect(proxy.port())?;
    assert_eq!(lines.ask("PING")?, PONG);
    proxy.kill();
    assert!(is_closed(&mut lines));
    assert_eq!(ask(proxy.port(), "PING")?, PONG);
    Ok(())
}

#[test]
fn connections_and_the_port_end_with_the_proxy_whatever_it_holds() -> Outcome {
    let (_server, proxy) = server_and_proxy()?;
    let port = proxy.port();
    let mut lines = Lines::connect(port)?;
    proxy.hold(Direction::Replies);
    proxy.delay_replies(Duration::from_secs(3600));
    lines.send("PING\r\n")?;
    drop(proxy);
    assert!(is_closed(&mut lines));
    assert!(Lines::connect(port).is_err());
    Ok(())
}
