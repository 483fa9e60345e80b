//! Dispatchers that are processes of their own, and are killed or held up.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{any, env, thread};

use redis::cmd;
use redis_collections::keyword::KeywordError::NotServed;
use redis_collections::keyword::{Keyword, Status};
use redis_collections::{Applied, Error, LocalServer};

use crate::{Patient, connect, dome, serve, write};
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::Kind;
use support::servers::{PATIENCE, query, run};
use support::wire::Wire;
use support::{eventually, send_signal};

on_both_kinds! {
    plays_the_dispatcher,
    a_program_that_ends_can_be_started_again_at_once,
    a_dispatcher_killed_during_a_write_leaves_nothing_for_ever,
    a_dispatcher_suspended_past_its_lease_changes_nothing,
    a_suspended_dispatcher_continues_if_no_other_took_its_place,
    a_dispatcher_suspended_past_its_lease_receives_no_request,
    a_suspended_dispatcher_skips_requests_that_are_no_longer_awaited,
    a_suspended_dispatcher_adopts_the_values_of_one_that_came_and_went,
}

/// Set in a program that a test has started to play the dispatcher: the address of the server.
const CHILD: &str = "KEYWORD_DISPATCHER_CHILD";

/// A dispatcher with an integer `N` and an integer `SLOW`, whose hook notes the value in the list
/// `begun` and then waits for the key `go`.
async fn plays_the_dispatcher<C: Patient>() {
    let Ok(url) = env::var(CHILD) else { return };
    let client: C = connect(&url).await;
    let server = url.clone();
    let slow = Keyword::integer("SLOW").initial(0).on_write(move |value| {
        let (begun, server) = (format!("RPUSH begun {value}"), server.clone());
        let () = query(&server, &begun).unwrap();
        C::wait_for(move || query(&server, "EXISTS go").unwrap_or(false))
    });
    let dispatcher = serve(&client, [slow, Keyword::integer("N").initial(0)]).await.unwrap();
    let () = query(&url, "SET serves 1").unwrap();
    let ended = thread::spawn(|| io::stdin().read_to_end(&mut Vec::new()));
    while !eventually(|| ended.is_finished() || !dispatcher.is_serving()) {}
    let refused = settle!(dispatcher.set("N", 99));
    let _ = run::<()>(&url, cmd("SET").arg("ended").arg(format!("{refused:?}")));
}

struct Process(Child);

impl Process {
    fn start<C: Kind>(server: &LocalServer) -> Self {
        let () = query(server.url(), "DEL serves").unwrap();
        let kind = if any::type_name::<C>().contains("Async") { "async_client" } else { "client" };
        let test = format!("processes::{kind}::plays_the_dispatcher");
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &test]).env(CHILD, server.url());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let this = Self(child);
        assert!(eventually(|| query(server.url(), "EXISTS serves").unwrap()));
        this
    }

    fn signal(&self, name: &str) {
        assert!(send_signal(name, self.0.id()).unwrap());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The values that the hook was called for.
fn begun(server: &LocalServer) -> Vec<String> {
    query(server.url(), "LRANGE begun 0 -1").unwrap()
}

async fn a_program_that_ends_can_be_started_again_at_once<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for _ in 0..3 {
        let mut process = Process::start::<C>(&server);
        drop(process.0.stdin.take());
        assert!(process.0.wait().unwrap().success());
        assert_eq!(Wire::to(server.url(), "dome").lease(), None);
    }
}

async fn a_dispatcher_killed_during_a_write_leaves_nothing_for_ever<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let process = Process::start::<C>(&server);
    let writer = write(&dome(&client), "SLOW", 1, Duration::from_secs(2));
    assert!(eventually(|| begun(&server) == ["1"]));
    drop(process);
    assert_eq!(ok!(dome(&client).read("SLOW")).status, Status::Modify);
    let outcome = writer.join().unwrap();
    let Err(error @ Error::Timeout { .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.applied(), Applied::Perhaps);
    let mut wire = Wire::to(server.url(), "dome");
    assert!(eventually(|| wire.status("SLOW").is_none() && wire.lease().is_none()));
    let refused = settle!(dome(&client).write("N", 1));
    assert!(matches!(refused, Err(Error::Keyword { source: NotServed, .. })), "{refused:?}");
    let _next = serve(&client, [Keyword::integer("SLOW")]).await.unwrap();
    let reading = ok!(dome(&client).read("SLOW"));
    assert_eq!((&reading.text[..], reading.status), ("0", Status::Ready));
}

async fn a_dispatcher_suspended_past_its_lease_changes_nothing<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let process = Process::start::<C>(&server);
    let mut wire = Wire::to(server.url(), "dome");
    let in_hand = wire.ask("SLOW", b"1");
    assert!(eventually(|| begun(&server) == ["1"]));
    process.signal("STOP");
    let unread = wire.ask("N", b"2");
    assert!(eventually(|| wire.lease().is_none()));
    let keywords = ["SLOW", "N"].map(|name| Keyword::integer(name).initial(5));
    let second = serve(&client, keywords).await.unwrap();
    let lease = wire.lease();
    for (keyword, value) in [("SLOW", 6), ("N", 7)] {
        assert_eq!(ok!(dome(&client).write(keyword, value)).value, value.into());
    }
    let times = (wire.time("SLOW"), wire.time("N"));
    let () = query(server.url(), "SET go 1").unwrap();
    process.signal("CONT");
    assert!(eventually(|| query(server.url(), "EXISTS ended").unwrap()));
    let ended: String = query(server.url(), "GET ended").unwrap();
    assert!(ended.contains("AlreadyServed"), "{ended}");
    assert_eq!((wire.value("SLOW"), wire.value("N")), (Some("6".into()), Some("7".into())));
    assert_eq!((wire.time("SLOW"), wire.time("N")), times);
    assert_eq!((wire.lease(), second.is_serving()), (lease, true));
    assert_eq!(wire.status("SLOW").as_deref(), Some("ready"));
    assert_eq!(begun(&server), ["1"], "no hook is called any more");
    // It alone received these.
    assert_eq!(wire.outcome(&in_hand), "?its dispatcher ended before it was done");
    assert_eq!(wire.outcome(&unread), "-its dispatcher is shutting down");
}

async fn a_suspended_dispatcher_continues_if_no_other_took_its_place<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let process = Process::start::<C>(&server);
    let writer = write(&dome(&client), "SLOW", 1, PATIENCE);
    assert!(eventually(|| begun(&server) == ["1"]));
    process.signal("STOP");
    let mut wire = Wire::to(server.url(), "dome");
    assert!(eventually(|| wire.lease().is_none() && wire.status("SLOW").is_none()));
    let () = query(server.url(), "SET go 1").unwrap();
    process.signal("CONT");
    assert_eq!(writer.join().unwrap().unwrap().text, "1");
    assert!(eventually(|| wire.lease().is_some()));
    assert_eq!(ok!(dome(&client).write("N", 2)).text, "2");
}

async fn a_suspended_dispatcher_adopts_the_values_of_one_that_came_and_went<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let () = query(server.url(), "SET go 1").unwrap();
    let first = Process::start::<C>(&server);
    let mut wire = Wire::to(server.url(), "dome");
    first.signal("STOP");
    assert!(eventually(|| wire.lease().is_none()));
    let second = Process::start::<C>(&server);
    assert!(eventually(|| wire.lease().is_some()));
    // The first one receives these too, once it continues, and their outcomes are removed.
    for number in [5, 0, 6] {
        let written = settle!(dome(&client).write_within("SLOW", number, AN_HOUR));
        assert_eq!(written.unwrap().value, number.into());
    }
    drop(second);
    assert!(eventually(|| wire.lease().is_none()));
    first.signal("CONT");
    assert!(eventually(|| wire.lease().is_some()));
    assert!(eventually(|| wire.value("SLOW").as_deref() == Some("6")));
    assert_eq!(ok!(dome(&client).write("SLOW", 0)).text, "0");
    assert_eq!(begun(&server), ["5", "0", "6", "0"]);
}

async fn a_dispatcher_suspended_past_its_lease_receives_no_request<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let () = query(server.url(), "SET go 1").unwrap();
    let process = Process::start::<C>(&server);
    let mut wire = Wire::to(server.url(), "dome");
    let before = wire.time("N");
    process.signal("STOP");
    assert!(eventually(|| wire.lease().is_none()));
    assert!(wire.is_registered());
    for keyword in ["SLOW", "N"] {
        let time = Duration::from_millis(500);
        let outcome = settle!(dome(&client).write_within(keyword, 1, time));
        let Err(error @ Error::Keyword { source: NotServed, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(error.applied(), Applied::No);
    }
    process.signal("CONT");
    assert!(eventually(|| wire.lease().is_some()));
    assert_eq!(ok!(dome(&client).write("SLOW", 2)).text, "2");
    assert_eq!((begun(&server), wire.time("N")), (vec!["2".to_owned()], before));
}

async fn a_suspended_dispatcher_skips_requests_that_are_no_longer_awaited<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(server.url()).await;
    let () = query(server.url(), "SET go 1").unwrap();
    let process = Process::start::<C>(&server);
    let mut wire = Wire::to(server.url(), "dome");
    let before = wire.time("N");
    let time = Duration::from_millis(200);
    let outcomes = loop {
        process.signal("STOP");
        let [slow, n] = ["SLOW", "N"].map(|keyword| dome(&client).write_within(keyword, 1, time));
        let outcomes = [settle!(slow), settle!(n)];
        // Not where the machine is so slow that the lease has run out meanwhile.
        let were_received = wire.lease().is_some();
        // It continues when the requests are over, which nothing shows but the time.
        let begin = Instant::now();
        assert!(eventually(|| begin.elapsed() > time + LONGER));
        process.signal("CONT");
        assert!(eventually(|| wire.lease().is_some()));
        if were_received {
            break outcomes;
        }
    };
    for outcome in outcomes {
        assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    }
    assert_eq!(ok!(dome(&client).write("SLOW", 2)).text, "2");
    assert_eq!((begun(&server), wire.time("N")), (vec!["2".to_owned()], before));
}

const AN_HOUR: Duration = Duration::from_secs(3600);
/// How much longer than its client waits a request may be answered, and a little.
const LONGER: Duration = Duration::from_millis(1100);
