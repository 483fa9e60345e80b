//! Times and ranges that are as long as can be, or as short.

use std::time::Duration;

use redis_collections::keyword::KeywordError::Refused;
use redis_collections::keyword::{Dispatcher, Keyword, Reading, Value};
use redis_collections::{Error, LocalServer};

use crate::{Patient, connect, dome, serve, serve_patiently};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::{NEVER_BUSY, PATIENCE, query};
use support::wire::Wire;

on_both_kinds! {
    durations_may_be_the_longest_possible,
    a_timeout_of_zero_ends_at_once,
    written_values_are_limited_to_16_mebibytes,
    a_range_may_have_no_end,
    a_shutdown_waits_for_its_grace_and_not_for_the_lease,
}

async fn durations_may_be_the_longest_possible<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let read = || C::loading(Ok(Value::Integer(7)));
    let keywords =
        [Keyword::integer("N"), Keyword::integer("R").on_read(read).every(Duration::MAX)];
    let dispatcher = Dispatcher::builder("dome").keywords(keywords);
    let dispatcher = dispatcher.lease(Duration::MAX).grace(Duration::MAX);
    let dispatcher = ok!(dispatcher.serve(&client));
    assert_eq!(ok!(dome(&client).write_within("N", 2, Duration::MAX)).text, "2");
    ok!(dome(&client).wait_for("R", |reading| reading.text == "7", Duration::MAX));
    let heartbeat = ok!(dome(&client).heartbeat());
    assert!(heartbeat.is_some_and(|since| since < PATIENCE), "{heartbeat:?}");
    ok!(dispatcher.shutdown());
}

async fn a_timeout_of_zero_ends_at_once<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let _dispatcher = serve(&client, [Keyword::integer("N").initial(1)]).await.unwrap();
    for time in [Duration::ZERO, Duration::from_nanos(1)] {
        let written = settle!(dome(&client).write_within("N", 2, time));
        assert!(matches!(written, Ok(_) | Err(Error::Timeout { .. })), "{written:?}");
        let awaited = settle!(dome(&client).wait_for("N", |_| false, time));
        assert!(matches!(awaited, Err(Error::Timeout { .. })), "{awaited:?}");
    }
}

async fn written_values_are_limited_to_16_mebibytes<C: Kind>() {
    const MEBIBYTE: usize = 1 << 20;
    // Values of this size keep the server silent for seconds on a busy machine.
    let server = LocalServer::start_with(&NEVER_BUSY).unwrap();
    let client = C::builder(server.url()).response_timeout(PATIENCE).call_timeout(2 * PATIENCE);
    let client: C = C::build(client).await.unwrap();
    let dispatcher = serve_patiently(&client, Keyword::string("N").initial("")).await;
    let dome = dome(&client);
    let is_of = |length: usize| move |reading: &Reading| reading.text.len() == length;
    let longest = "x".repeat(16 * MEBIBYTE);
    let written = ok!(dome.write_within("N", &longest, PATIENCE));
    assert_eq!(written.text.len(), longest.len());
    for outcome in [
        settle!(dome.write("N", "x".repeat(16 * MEBIBYTE + 1))).map(drop),
        settle!(dome.write_nowait("N", "x".repeat(60 * MEBIBYTE))),
    ] {
        assert!(matches!(outcome, Err(Error::InvalidArgument { .. })), "{outcome:?}");
    }
    // A watch is not cut off by values that its own dispatcher sets.
    let (report, reports) = std::sync::mpsc::channel();
    let _watch = ok!(dome.watch(["N"], move |reading| {
        let _ = report.send(reading.text.len());
        C::loading(Ok(()))
    }));
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(longest.len()));
    let before = cut_off(&server);
    ok!(dispatcher.set("N", "x".repeat(60 * MEBIBYTE)));
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(60 * MEBIBYTE));
    assert_eq!(cut_off(&server), before);
    ok!(dome.wait_for("N", is_of(60 * MEBIBYTE), PATIENCE));
}

/// How many clients the server has cut off, since they were sent too much.
fn cut_off(server: &LocalServer) -> i64 {
    let info: String = query(server.url(), "INFO stats").unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("client_output_buffer_limit_disconnections:"));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

async fn a_range_may_have_no_end<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let keyword = Keyword::double("N").units("m").range(0.0..=f64::INFINITY).initial(1);
    let _dispatcher = serve(&client, [keyword]).await.unwrap();
    let described = ok!(dome(&client).describe("N"));
    assert_eq!((described.range, described.units.as_deref()), (Some([0.0, f64::MAX]), Some("m")));
    assert_eq!(ok!(dome(&client).write("N", 1e300)).value, 1e300.into());
    assert!(matches!(
        settle!(dome(&client).write("N", -1.0)),
        Err(Error::Keyword { source: Refused { .. }, .. })
    ));
}

async fn a_shutdown_waits_for_its_grace_and_not_for_the_lease<C: Patient>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let keyword = Keyword::integer("N").on_write(|_| C::wait_for(|| false));
    let dispatcher = Dispatcher::builder("dome").keyword(keyword).lease(Duration::from_secs(600));
    let dispatcher = ok!(dispatcher.grace(Duration::from_millis(20)).serve(&client));
    let mut wire = Wire::to(server.url(), "dome");
    wire.ask("N", b"1");
    assert!(eventually(|| wire.status("N").as_deref() == Some("modify")));
    ok!(dispatcher.shutdown());
    assert_eq!((wire.lease(), wire.is_registered()), (None, false));
}
