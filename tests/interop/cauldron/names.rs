//! Which dispatcher serves a service where there are both kinds.

use redis_collections::keyword::KeywordError::AlreadyServed;
use redis_collections::keyword::{Dispatcher, Keyword, Value};
use redis_collections::{Error, LocalServer, Result};

use super::{Cauldron, DOME, dome, wire, with_cauldron};
use crate::peer::{Peer, raised};
use support::contract::ok;
use support::eventually;
use support::kinds::Kind;

with_cauldron! {
    while_ours_serves_theirs_is_refused,
    while_theirs_serves_ours_is_refused,
    ours_takes_over_from_one_that_crashed,
    both_kinds_take_over_from_one_that_was_shut_down,
    the_name_of_ours_that_crashed_is_free_for_ours_only,
}

const KEYWORDS: [&str; 1] = ["N:integer=7"];

async fn serve<C: Kind>(client: &C) -> Result<Dispatcher<C>> {
    let keyword = Keyword::integer("N").units("mm");
    C::settle(Dispatcher::builder(DOME).keyword(keyword).serve(client)).await
}

fn assert_refused(server: &LocalServer) {
    let refused = Peer::run(server, ["cauldron-serve", DOME, "N:integer=7", "M:integer=7"]);
    let reason = raised(&refused[0]);
    assert!(reason.contains("cannot have multiple instances"), "{reason}");
}

async fn while_ours_serves_theirs_is_refused<C: Kind>(server: LocalServer, client: C) {
    let dispatcher = serve(&client).await.unwrap();
    ok!(dispatcher.set("N", 1));
    assert_refused(&server);
    assert!(dispatcher.is_serving() && wire(&server).is_registered());
    assert_eq!(ok!(dome(&client).read("N")).value, Value::Integer(1));
    assert_eq!(ok!(dome(&client).write("N", 2)).value, Value::Integer(2));
    assert_eq!(ok!(dome(&client).keywords()).len(), 1);
}

async fn while_theirs_serves_ours_is_refused<C: Kind>(server: LocalServer, client: C) {
    let cauldron = Cauldron::serve(&server, &KEYWORDS);
    let refused = serve(&client).await;
    assert!(matches!(refused, Err(Error::Keyword { source: AlreadyServed, .. })), "{refused:?}");
    assert_eq!(wire(&server).lease(), None);
    cauldron.set("N=8");
    assert_eq!(ok!(dome(&client).write("N", 9)).value, Value::Integer(9));
}

async fn ours_takes_over_from_one_that_crashed<C: Kind>(server: LocalServer, client: C) {
    drop(Cauldron::serve(&server, &KEYWORDS));
    assert!(wire(&server).is_registered());
    assert!(eventually(|| wire(&server).modify("N", b"1") == 0));
    let dispatcher = serve(&client).await.unwrap();
    assert_eq!(dispatcher.get("N").unwrap(), Some(Value::Integer(7)));
    assert_eq!(ok!(dome(&client).write("N", 9)).value, Value::Integer(9));
}

async fn both_kinds_take_over_from_one_that_was_shut_down<C: Kind>(server: LocalServer, client: C) {
    Cauldron::serve(&server, &KEYWORDS).shut_down();
    let ours = serve(&client).await.unwrap();
    assert_eq!(ok!(dome(&client).read("N")).value, Value::Integer(7));
    let written = ok!(dome(&client).write("N", 9));
    assert!(written.age().is_some());
    ok!(ours.shutdown());

    let theirs = Cauldron::serve(&server, &["N:double=1", "NEW:integer=1"]);
    let reading = ok!(dome(&client).read("N"));
    assert_eq!((&reading.text[..], reading.set_at, reading.age()), ("1.0", None, None));
    let listed = ok!(dome(&client).keywords());
    let listed: Vec<_> = listed.iter().map(|it| (&it.name[..], it.units.as_deref())).collect();
    assert_eq!(listed, [("N", None), ("NEW", None)]);
    assert_eq!(ok!(dome(&client).write("N", 2)).text, "2.0");
    theirs.shut_down();

    let ours = serve(&client).await.unwrap();
    assert_eq!(ours.get("N").unwrap(), Some(Value::Integer(2)));
}

/// It leaves its name, and no lease. Cauldron asks for the name only.
async fn the_name_of_ours_that_crashed_is_free_for_ours_only<C: Kind>(
    server: LocalServer,
    client: C,
) {
    wire(&server).register();
    assert_refused(&server);
    let dispatcher = serve(&client).await.unwrap();
    ok!(dispatcher.shutdown());
    let cauldron = Cauldron::serve(&server, &KEYWORDS);
    cauldron.shut_down();
}
