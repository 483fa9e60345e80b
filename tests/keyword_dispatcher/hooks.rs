//! Hooks of keywords.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use redis_collections::keyword::KeywordError::Refused;
use redis_collections::keyword::{Change, Dispatcher, Keyword, Value};
use redis_collections::{Error, HandlerResult};

use crate::{Calls, Gate, Patient, wire};
use support::contract::{contract_on_servers, ok, settle};
use support::eventually;
use support::kinds::{Kind, SourceDown, client};

contract_on_servers! {
    a_hook_that_hangs_blocks_only_its_own_keyword,
    requests_of_one_keyword_come_after_each_other,
    too_many_requests_are_refused,
    hooks_may_use_their_dispatcher,
    change_hooks_run_after_the_value_was_published,
    every_change_is_delivered_once_and_in_order,
    values_are_refreshed_periodically,
    refreshes_of_one_value_do_not_overlap,
    a_failed_refresh_is_an_error_of_its_keyword,
    a_shutdown_waits_for_hooks,
    a_shutdown_waits_no_longer_than_its_grace,
    requests_waiting_for_a_hook_are_refused_when_the_dispatcher_ends,
}

fn held_up<C: Patient>(gate: &Gate) -> impl Fn(Value) -> C::Waiting<()> + use<C> {
    let gate = gate.clone();
    move |_| C::wait_for(&gate, ())
}

async fn a_hook_that_hangs_blocks_only_its_own_keyword<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let lease = Duration::from_millis(1500);
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("SLOW").on_write(held_up::<C>(&gate)).initial(0))
        .keyword(Keyword::integer("QUICK").on_write(|_| C::loading(Ok(()))))
        .lease(lease);
    let dispatcher = ok!(builder.serve(&client));
    let slow = wire.ask("SLOW", b"1");
    gate.wait_for_a_caller();
    // Until two leases have passed: the status outlasts each of them.
    let begun = std::time::Instant::now();
    let mut value = 0;
    while begun.elapsed() < lease * 2 {
        value += 1;
        assert_eq!(wire.write("QUICK", value.to_string()), value.to_string());
        assert_eq!(wire.status("SLOW").as_deref(), Some("modify"));
        assert_eq!(dispatcher.get("SLOW").unwrap(), Some(Value::Integer(0)));
    }
    gate.open();
    assert!(wire.outcome(&slow).ends_with(" 1"));
    assert_eq!(wire.status("SLOW").as_deref(), Some("ready"));
    assert_eq!(wire.remaining_status("SLOW"), -1, "it does not expire");
}

async fn requests_of_one_keyword_come_after_each_other<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let (gate, written) = (Gate::default(), Arc::new(Mutex::new(Vec::new())));
    let (passed, noted) = (gate.clone(), written.clone());
    let keyword = Keyword::integer("N").on_write(move |value| {
        noted.lock().unwrap().push(value.as_i64());
        C::wait_for(&passed, ())
    });
    let _dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let asked: Vec<_> = (0..20).map(|value| wire.ask("N", value.to_string().as_bytes())).collect();
    gate.wait_for_a_caller();
    assert_eq!(written.lock().unwrap().len(), 1);
    gate.open();
    for (value, id) in asked.iter().enumerate() {
        assert!(wire.outcome(id).ends_with(&format!(" {value}")));
    }
    assert!(written.lock().unwrap().iter().copied().eq((0..20).map(Some)));
}

async fn too_many_requests_are_refused<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let keyword = Keyword::integer("N").on_write(held_up::<C>(&gate));
    let _dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let asked: Vec<_> =
        (0..1100).map(|value| wire.ask("N", value.to_string().as_bytes())).collect();
    let (last, first) = (asked.last().unwrap(), asked.first().unwrap());
    assert_eq!(wire.outcome(last), "-too many requests are waiting for it");
    assert_eq!(wire.status("N").as_deref(), Some("modify"), "the keyword itself is well");
    gate.open();
    assert!(wire.outcome(first).ends_with(" 0"));
}

async fn hooks_may_use_their_dispatcher<C: Kind>(client: C, name: &'static str)
where
    C::Reply<()>: HandlerResult<(), C>,
{
    let (service, mut wire) = wire(name);
    let shared: Arc<OnceLock<Dispatcher<C>>> = Arc::default();
    let own = shared.clone();
    let keyword = Keyword::integer("N").initial(1).on_write(move |value| {
        let dispatcher = own.get().unwrap();
        assert_eq!(dispatcher.get("N").unwrap(), Some(Value::Integer(1)));
        dispatcher.set("COPY", value)
    });
    let builder = Dispatcher::builder(&service).keyword(keyword).keyword(Keyword::integer("COPY"));
    let dispatcher = ok!(builder.serve(&client));
    shared.set(dispatcher.clone()).unwrap();
    assert_eq!((wire.write("N", "2"), wire.value("COPY").as_deref()), ("2".into(), Some("2")));
    ok!(dispatcher.shutdown());
}

#[test]
fn a_change_hook_may_use_the_dispatcher() {
    let (service, mut wire) = wire("changed");
    let shared: Arc<OnceLock<Dispatcher>> = Arc::default();
    let own = shared.clone();
    let keyword = Keyword::integer("N").on_change(move |change| {
        let dispatcher = own.get().unwrap();
        assert_eq!(dispatcher.get("N").unwrap().as_ref(), Some(&change.value));
        dispatcher.set("COPY", change.value.clone()).unwrap();
    });
    let builder = Dispatcher::builder(&service).keyword(keyword).keyword(Keyword::integer("COPY"));
    shared.set(builder.serve(&client()).unwrap()).unwrap();
    assert_eq!(wire.write("N", "2"), "2");
    assert!(eventually(|| wire.number("COPY") == Some(2)));
    shared.get().unwrap().set("N", 3).unwrap();
    assert!(eventually(|| wire.number("COPY") == Some(3)));
    shared.get().unwrap().shutdown().unwrap();
}

async fn change_hooks_run_after_the_value_was_published<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
    let noted = changes.clone();
    let keyword = Keyword::integer("N").initial(1).on_change(move |change| {
        noted.lock().unwrap().push(change.clone());
        panic!("a callback of a test");
    });
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    ok!(dispatcher.set("N", 2));
    assert_eq!(wire.write("N", "2"), "2");
    assert_eq!(wire.write("N", "3"), "3");
    assert!(eventually(|| changes.lock().unwrap().len() == 2));
    let changes = changes.lock().unwrap();
    let changes: Vec<_> = changes.iter().map(|it| (it.before.clone(), it.value.clone())).collect();
    let value = |value: i32| Value::from(value);
    assert_eq!(changes, [(Some(value(1)), value(2)), (Some(value(2)), value(3))]);
}

async fn every_change_is_delivered_once_and_in_order<C: Kind>(client: C, name: &'static str) {
    const THREADS: i64 = 4;
    const EACH: i64 = 300;
    let (service, wire) = wire(name);
    let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
    let noted = changes.clone();
    let keyword = Keyword::integer("N").initial(-1).history(10_000);
    let keyword = keyword.on_change(move |change| noted.lock().unwrap().push(change.clone()));
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let mut published = wire.listen(&["~rc:changed:N"]);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatcher = &dispatcher;
            scope.spawn(move || {
                for number in (0..EACH).map(|number| number * THREADS + thread) {
                    let set = dispatcher.set("N", number);
                    C::finish(async { C::settle(set).await }).unwrap();
                }
            });
        }
    });
    let all = (THREADS * EACH) as usize;
    assert!(eventually(|| changes.lock().unwrap().len() >= all));
    let changes = changes.lock().unwrap();
    let values: Vec<_> = changes.iter().map(|change| change.value.clone()).collect();
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    let news: Vec<_> = (0..all).map(|_| published.next_message().1).collect();
    let news: Vec<_> = news.iter().map(|news| news.split_once(' ').unwrap().1).collect();
    assert_eq!(texts, news, "in the order of the server");
    assert!(
        changes
            .iter()
            .skip(1)
            .map(|it| it.before.clone())
            .eq(values[..all - 1].iter().cloned().map(Some))
    );
    let history: Vec<_> = dispatcher.history("N").unwrap().into_iter().map(|it| it.1).collect();
    assert_eq!(history[1..], values);
}

async fn values_are_refreshed_periodically<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let calls = Calls::default();
    let counted = calls.clone();
    let read = move || {
        counted.count();
        C::loading(Ok(Value::from(counted.counted() as i64)))
    };
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("N").on_read(read.clone()).every(Duration::from_millis(5)))
        .keyword(Keyword::integer("ASKED").on_read(|| C::loading(Ok(Value::from(7)))))
        .keyword(Keyword::integer("NOT"));
    let dispatcher = ok!(builder.serve(&client));
    assert!(eventually(|| wire.number("N") >= Some(3)));
    assert_eq!(wire.value("ASKED").as_deref(), Some(""));
    ok!(dispatcher.refresh("ASKED"));
    assert_eq!(wire.value("ASKED").as_deref(), Some("7"));
    let unknown = settle!(dispatcher.refresh("NOT"));
    assert!(matches!(unknown, Err(Error::InvalidArgument { .. })), "{unknown:?}");
}

async fn refreshes_of_one_value_do_not_overlap<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let (gate, reads) = (Gate::default(), Calls::default());
    let (passed, counted) = (gate.clone(), reads.clone());
    let read = move || {
        counted.count();
        C::wait_for(&passed, Value::from(counted.counted() as i64))
    };
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("N").on_read(read).every(Duration::from_millis(2)))
        .keyword(
            Keyword::integer("TIME")
                .on_read({
                    let ticks = Calls::default();
                    move || {
                        ticks.count();
                        C::loading(Ok(Value::from(ticks.counted() as i64)))
                    }
                })
                .every(Duration::from_millis(2)),
        );
    let dispatcher = ok!(builder.serve(&client));
    gate.wait_for_a_caller();
    assert!(eventually(|| wire.number("TIME") >= Some(10)));
    ok!(dispatcher.refresh("N"));
    assert_eq!(reads.counted(), 1);
    gate.open();
    assert!(eventually(|| wire.number("N") >= Some(2)));
}

async fn a_failed_refresh_is_an_error_of_its_keyword<C: Kind>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let fails = || C::loading::<Value>(Err(SourceDown));
    let wrong = || C::loading(Ok(Value::from("x")));
    let panics = || -> C::Loading<Value> { panic!("the hook of a test") };
    let builder = Dispatcher::builder(&service)
        .keyword(Keyword::integer("A").on_read(fails).initial(1))
        .keyword(Keyword::integer("B").on_read(wrong).initial(1))
        .keyword(Keyword::integer("C").on_read(panics).initial(1));
    let dispatcher = ok!(builder.serve(&client));
    for (keyword, why) in
        [("A", "the source is down"), ("B", "\"x\" is not a number"), ("C", "it panicked")]
    {
        let refused = settle!(dispatcher.refresh(keyword));
        assert!(
            matches!(refused, Err(Error::Keyword { source: Refused { reason, .. }, .. }) if reason == why)
        );
        assert_eq!(wire.status(keyword).as_deref(), Some("error"));
        assert_eq!(wire.error(keyword).as_deref(), Some(why));
        assert_eq!(wire.value(keyword).as_deref(), Some("1"));
    }
}

async fn a_shutdown_waits_for_hooks<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let keyword = Keyword::integer("N").on_write(held_up::<C>(&gate));
    let dispatcher = ok!(Dispatcher::builder(&service).keyword(keyword).serve(&client));
    let [runs, waits] = [1, 2].map(|value| wire.ask("N", value.to_string().as_bytes()));
    gate.wait_for_a_caller();
    let ending = std::thread::spawn({
        let dispatcher = dispatcher.clone();
        move || C::finish(async { C::settle(dispatcher.shutdown()).await })
    });
    assert!(eventually(|| !dispatcher.is_serving()));
    assert!(wire.lease().is_some(), "it is still there");
    gate.open();
    assert!(wire.outcome(&runs).ends_with(" 1"));
    assert_eq!(wire.outcome(&waits), "-its dispatcher is shutting down");
    ending.join().unwrap().unwrap();
    assert_eq!((wire.lease(), wire.value("N").as_deref()), (None, Some("1")));
}

async fn a_shutdown_waits_no_longer_than_its_grace<C: Patient>(client: C, name: &'static str) {
    let (service, mut wire) = wire(name);
    let gate = Gate::default();
    let keyword = Keyword::integer("N").on_write(held_up::<C>(&gate)).initial(0);
    let builder = Dispatcher::builder(&service).keyword(keyword).lease(Duration::from_secs(1));
    let dispatcher = ok!(builder.grace(Duration::from_millis(20)).serve(&client));
    wire.ask("N", b"1");
    gate.wait_for_a_caller();
    ok!(dispatcher.shutdown());
    assert_eq!((wire.lease(), wire.is_registered()), (None, false));
    assert!(eventually(|| wire.status("N").as_deref() != Some("modify")));
    let next = Dispatcher::builder(&service).keyword(Keyword::integer("N").initial(5));
    let _next = ok!(next.serve(&client));
    gate.open();
    // The hook of the former one may have ended before or after this.
    assert_eq!(wire.write("N", "6"), "6");
    assert_eq!(wire.value("N").as_deref(), Some("6"));
}

async fn requests_waiting_for_a_hook_are_refused_when_the_dispatcher_ends<C: Patient>(
    client: C,
    name: &'static str,
) {
    let (service, mut wire) = wire(name);
    for is_shut_down in [true, false] {
        let gate = Gate::default();
        let builder = Dispatcher::builder(&service)
            .keyword(Keyword::integer("SLOW").on_write(held_up::<C>(&gate)).initial(0))
            .keyword(Keyword::integer("QUICK"))
            .grace(Duration::from_millis(20));
        let dispatcher = ok!(builder.serve(&client));
        let [_runs, waits, waits_too] =
            ["1", "2", "3"].map(|text| wire.ask("SLOW", text.as_bytes()));
        gate.wait_for_a_caller();
        assert_eq!(wire.write("QUICK", "1"), "1", "those before it wait");
        match is_shut_down {
            true => ok!(dispatcher.shutdown()),
            false => drop(dispatcher),
        }
        for id in [waits, waits_too] {
            assert_eq!(wire.outcome(&id), "-its dispatcher is shutting down");
        }
        gate.open();
        assert!(eventually(|| wire.lease().is_none()));
    }
}
