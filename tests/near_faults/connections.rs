//! Connections that end or hang.

use redis::cmd;

use super::Fixture;
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::eventually;
use support::servers::proxy::Direction;
use support::servers::{Outcome, query, run};

on_threads_and_tasks![
    no_stale_value_is_served_when_listening_connections_are_killed,
    no_stale_value_is_served_when_all_connections_are_killed,
    no_stale_value_is_served_while_listening_connections_hang,
    no_stale_value_is_served_while_all_connections_hang,
    no_stale_value_is_served_while_connections_are_refused,
    no_stale_value_is_served_when_listening_connections_overflow,
];

fn no_stale_value_is_served_when_listening_connections_are_killed<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    for _ in 0..3 {
        let gaps = fixture.watches.gaps();
        let killed: u64 = query(fixture.server.url(), "CLIENT KILL TYPE pubsub")?;
        assert_eq!(killed, 3);
        assert!(eventually(|| fixture.watches.gaps() == gaps + killed));
        fixture.watches.wait_for_traffic();
    }
    fixture.finish("listening connections killed")
}

fn no_stale_value_is_served_when_all_connections_are_killed<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    for _ in 0..3 {
        let gaps = fixture.watches.gaps();
        fixture.proxy.kill();
        assert!(eventually(|| fixture.watches.gaps() >= gaps + 3));
        fixture.watches.wait_for_traffic();
    }
    fixture.finish("all connections killed")
}

fn no_stale_value_is_served_while_listening_connections_hang<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    fixture.proxy.hold_listeners();
    fixture.watches.wait_until_cut_off();
    let misses = || fixture.watches.0.iter().map(|watch| watch.cached.stats().misses).sum::<u64>();
    let before = misses();
    fixture.watches.outlast_the_bound();
    assert!(misses() > before, "the server is asked");
    fixture.proxy.release();
    fixture.finish("listening connections half-open")
}

fn no_stale_value_is_served_while_all_connections_hang<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    for direction in [Direction::Requests, Direction::Replies] {
        fixture.proxy.hold(direction);
        fixture.watches.wait_until_cut_off();
        let written = fixture.watches.0[0].written();
        assert!(eventually(|| fixture.watches.0[0].written() > written), "writers go on");
        fixture.proxy.release();
        fixture.watches.wait_for_traffic();
    }
    fixture.finish("all connections half-open")
}

fn no_stale_value_is_served_while_connections_are_refused<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    fixture.proxy.refuse();
    fixture.proxy.kill();
    fixture.watches.wait_until_cut_off();
    fixture.proxy.accept()?;
    fixture.finish("connections refused")
}

fn no_stale_value_is_served_when_listening_connections_overflow<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    let url = fixture.server.url();
    let mut limit = cmd("CONFIG");
    limit.arg("SET").arg("client-output-buffer-limit").arg("pubsub 1mb 512kb 1");
    let () = run(url, &limit)?;
    fixture.proxy.hold_listeners();
    let mut flood = cmd("PUBLISH");
    flood.arg("watched-Tracking:~rc:forget:dict").arg(vec![b'x'; 4 << 20]);
    let is_cut = || {
        let receivers = run::<u64>(url, &flood);
        receivers.is_ok_and(|receivers| receivers == 0)
    };
    assert!(eventually(is_cut), "the server ends a connection that takes nothing");
    fixture.watches.wait_until_cut_off();
    fixture.proxy.release();
    fixture.finish("a listening connection overflown")
}
