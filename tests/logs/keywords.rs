//! Dispatchers and watches of keywords.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use redis_collections::LocalServer;
use redis_collections::keyword::{self, Dispatcher, Keyword, Reading};
use support::contract::{ok, on_both_kinds, settle};
use support::events::{collect_events, events_with};
use support::kinds::{Kind, SourceDown};
use support::servers::proxy::{Direction, Proxy};
use support::servers::{PATIENCE, query};
use support::wire::Wire;
use support::{eventually, within};

use crate::{OUTAGE, assert_events, call_for, events_until};

on_both_kinds! {
    a_previous_value_that_is_dropped_is_reported,
    hooks_that_panic_or_fail_are_reported,
    a_watch_reports_what_it_cannot_read,
    a_change_hook_that_is_too_slow_is_reported_once,
    a_request_that_is_left_unanswered_is_reported,
    requests_that_are_too_many_are_reported_once,
    a_lease_that_is_left_is_reported,
}

const TARGET: &str = "redis_collections::keyword";
/// For as long a dispatcher tries to send an outcome.
const SHORT_LEASE: Duration = Duration::from_millis(1500);
/// A feed ends when a heartbeat is under way for five seconds.
const UNTIL_THE_FEED_ENDS: Duration = Duration::from_secs(8);

/// A keyword of the scenario and kind.
fn name<C>(name: &str) -> String {
    format!("{name}_{}", std::any::type_name::<C>().rsplit(':').next().unwrap()).to_uppercase()
}

async fn connect<C: Kind>(url: &str) -> C {
    C::build(C::builder(url)).await.expect("a connection")
}

async fn serve<C: Kind>(client: &C, keyword: Keyword<C>) -> Dispatcher<C> {
    ok!(Dispatcher::builder("logged").keyword(keyword).lease(PATIENCE).serve(client))
}

async fn a_previous_value_that_is_dropped_is_reported<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let keyword = name::<C>("DROPPED");
    Wire::to(server.url(), "logged").set(&format!(".{keyword}"), "s3cret");
    let client: C = connect(server.url()).await;
    let _dispatcher = serve(&client, Keyword::integer(&keyword)).await;
    let message = "a previous value is no longer allowed and was dropped";
    let events = events_with(&keyword);
    assert_events(&events, &[&format!("WARN {TARGET}: {message} keyword={keyword}")]);
}

async fn hooks_that_panic_or_fail_are_reported<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let (changed, read) = (name::<C>("CHANGED"), name::<C>("READ"));
    let fails = || C::loading::<keyword::Value>(Err(SourceDown));
    let panics = |_: &keyword::Change| panic!("a hook of a test");
    let builder = Dispatcher::builder("logged")
        .keyword(Keyword::integer(&changed).on_change(panics))
        .keyword(Keyword::integer(&read).on_read(fails).every(Duration::from_millis(20)));
    let dispatcher = ok!(builder.serve(&client));
    ok!(dispatcher.set(&changed, 1));
    let expected = format!("ERROR {TARGET}: an `on_change` panicked keyword={changed}");
    assert_events(&events_until(&changed, &expected), &[&expected]);

    let expected =
        format!("WARN {TARGET}: the value of a keyword could not be determined keyword={read}");
    assert_events(&events_until(&read, &expected), &[&expected]);
    // While the timer's own read is under way, `refresh` returns at once.
    call_for(OUTAGE, async || drop(settle!(dispatcher.refresh(&read)))).await;
    assert_events(&events_with(&read), &[&expected]);

    let service = keyword::Client::new(&client).service("logged");
    let fails = |_: Reading| C::loading::<()>(Err(SourceDown));
    let _watch = ok!(service.watch([&changed], fails));
    let expected = format!(
        "ERROR {TARGET}: the callback of a watch failed keyword={changed} error=the source is down"
    );
    assert_eq!(events_until(&changed, &expected).len(), 2);
}

async fn a_watch_reports_what_it_cannot_read<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let keyword = name::<C>("UNKNOWN");
    let service = keyword::Client::new(&client).service("logged");
    let _watch = ok!(service.watch([&keyword], |_: Reading| C::loading(Ok(()))));
    let expected = format!("WARN {TARGET}: a watch cannot read its keywords error=");
    assert_events(&events_until(&keyword, &expected), &[&expected]);
}

async fn a_change_hook_that_is_too_slow_is_reported_once<C: Kind>() {
    const HUGE: usize = 16 << 20;
    collect_events();
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let keyword = name::<C>("SLOW");
    let (begin, begun) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let waits = move |_: &keyword::Change| {
        let _ = begin.send(());
        // Ends when the sender is dropped.
        let _ = opened.lock().unwrap().recv();
    };
    let dispatcher = serve(&client, Keyword::string(&keyword).on_change(waits)).await;
    // The caller whose change is delivered waits for the hook.
    let (first, own) = (dispatcher.clone(), keyword.clone());
    let waiting = thread::spawn(move || C::finish(C::settle(first.set(&own, "0"))));
    begun.recv_timeout(PATIENCE).unwrap();
    for number in 1..=6 {
        ok!(dispatcher.set(&keyword, number.to_string().repeat(HUGE)));
    }
    let message = "an `on_change` is too slow and misses changes";
    let expected = format!("WARN {TARGET}: {message} keyword={keyword}");
    assert_events(&events_with(&keyword), &[&expected]);
    drop(open);
    waiting.join().unwrap().unwrap();
}

async fn a_request_that_is_left_unanswered_is_reported<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let proxy = Arc::new(Proxy::to(server.port()).unwrap());
    let builder = C::builder(&proxy.url()).response_timeout(Duration::from_millis(500));
    let client = C::build(builder).await.unwrap();
    let keyword = name::<C>("UNANSWERED");
    let held = proxy.clone();
    let hook = move |_| {
        held.hold(Direction::Requests);
        C::loading(Ok(()))
    };
    let keywords = Keyword::integer(&keyword).on_write(hook);
    let builder = Dispatcher::builder("logged").keyword(keywords).lease(SHORT_LEASE);
    let _dispatcher = ok!(builder.serve(&client));
    Wire::to(server.url(), "logged").ask(&keyword, b"1");
    let expected = format!("WARN {TARGET}: a request was left unanswered keyword={keyword} error=");
    assert_events(&events_until(&keyword, &expected), &[&expected]);
    proxy.release();
}

async fn requests_that_are_too_many_are_reported_once<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let client: C = connect(&proxy.url()).await;
    let keyword = name::<C>("MANY");
    let _dispatcher = serve(&client, Keyword::integer(&keyword)).await;
    let mut wire = Wire::to(server.url(), "logged");
    let channel = wire.name(&format!(".{keyword}"));
    let publish = "for _ = 1, 150000 do redis.call('PUBLISH', ARGV[1], '1') end";
    let message = "requests are dropped because too many are waiting";
    let expected = format!("WARN {TARGET}: {message} keyword={keyword}");
    let dropped = format!("{message} keyword={keyword}");
    let is_reported = || !events_with(&dropped).is_empty();
    // On a busy machine the heartbeats that are held as well may end the feed first, again and again.
    for _ in 0..20 {
        proxy.hold(Direction::Requests);
        let () = wire.run(&[b"EVAL", publish.as_bytes(), b"0", channel.as_bytes()]);
        let is_over = within(UNTIL_THE_FEED_ENDS, is_reported);
        proxy.release();
        if is_over {
            break;
        }
        assert!(eventually(|| wire.listeners() == 1));
    }
    assert_events(&events_with(&dropped), &[&expected]);
}

async fn a_lease_that_is_left_is_reported<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let () = query(server.url(), "ACL SETUSER ann on >pw ~* &* +@all").unwrap();
    let client = C::build(C::builder(server.url()).user("ann").password("pw")).await.unwrap();
    let service = name::<C>("LEFT").to_lowercase();
    let builder = Dispatcher::builder(&service).keyword(Keyword::integer("N")).lease(PATIENCE);
    let dispatcher = ok!(builder.serve(&client));
    let () = query(server.url(), "ACL SETUSER ann -@all").unwrap();
    assert!(settle!(dispatcher.shutdown()).is_err());
    let message = "the lease of a dispatcher is left to expire";
    let expected = format!("WARN {TARGET}: {message} service={service} error=");
    assert_events(&events_with(&service), &[&expected]);
}
