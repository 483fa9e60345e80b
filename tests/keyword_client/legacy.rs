//! Clients of dispatchers that are Cauldron's, which are played by plain commands.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis_collections::keyword::KeywordError::{NotServed, Refused};
use redis_collections::keyword::{self, Kind as Type, Service, Status};
use redis_collections::{Applied, Error, LocalServer};

use crate::{Watching, delivered, update};
use support::contract::{contract_on_servers, ok, on_both_kinds, settle};
use support::kinds::{Kind, SERVER, enable_all_notifications, plain, server_without_notifications};
use support::servers::{PATIENCE, query};
use support::wire::Wire;

contract_on_servers! {
    the_outcome_of_a_write_follows_from_status_and_value,
    an_absent_dispatcher_is_distinguished_from_a_present_one,
    values_set_by_cauldron_are_delivered,
    writes_not_begun_by_their_deadline_are_not_sent,
}

on_both_kinds! {
    without_notifications_the_status_is_looked_at,
    a_writer_without_the_right_to_count_subscribers_can_write,
}

/// Long enough for a busy machine to make a request.
const A_SECOND: Duration = Duration::from_secs(1);

/// Serves the integer `N` until it is dropped. 13 is refused, and with 99 it hangs.
struct Cauldron {
    wire: Wire,
    thread: Option<JoinHandle<()>>,
}

impl Cauldron {
    fn start(url: &str, service: &str) -> Self {
        let mut wire = Wire::to(url, service);
        for (key, value) in [(".N", "1"), (".N:status", "ready"), (".N:type", "integer")] {
            wire.set(key, value);
        }
        wire.register();
        let (mut requests, mut own) = (wire.listen(&[".N"]), Wire::to(url, service));
        let thread = thread::spawn(move || {
            loop {
                let (_, text) = requests.next_message();
                match &text[..] {
                    "" => return,
                    text if own.value("N").as_deref() == Some(text) => {}
                    text => set(&mut own, text),
                }
            }
        });
        Self { wire, thread: Some(thread) }
    }
}

fn set(wire: &mut Wire, text: &str) {
    wire.set(".N:status", "modify");
    match text {
        "13" => {
            wire.set(".N:error", "unlucky");
            wire.set(".N:status", "error");
        }
        "99" => {}
        text => {
            wire.set(".N", text);
            wire.set(".N:status", "ready");
        }
    }
}

impl Drop for Cauldron {
    fn drop(&mut self) {
        self.wire.modify("N", b"");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes, and checks the outcome.
async fn writes<C: Kind>(service: &Service<C>, wire: &mut Wire) {
    for (value, status, outcome) in [
        ("5", "ready", Ok("5")),
        ("5", "ready", Ok("5")),
        ("6.9", "ready", Ok("6")),
        ("13", "error", Err("unlucky")),
        ("13", "error", Err("unlucky")),
        ("6", "error", Ok("6")),
        ("7", "ready", Ok("7")),
    ] {
        let written = settle!(service.write("N", value));
        let written = match &written {
            Ok(reading) => Ok(&reading.text[..]),
            Err(Error::Keyword { source: Refused { reason, .. }, .. }) => Err(&reason[..]),
            Err(error) => panic!("{value}: {error}"),
        };
        assert_eq!(written, outcome, "{value}");
        assert_eq!(wire.status("N").as_deref(), Some(status), "{value}");
        assert_eq!(wire.error("N").is_some(), wire.get(".N:error").is_some());
    }
}

async fn the_outcome_of_a_write_follows_from_status_and_value<C: Kind>(
    client: C,
    name: &'static str,
) {
    enable_all_notifications();
    let name = plain(name).to_lowercase();
    let mut cauldron = Cauldron::start(SERVER.url(), &name);
    let service = keyword::Client::new(&client).service(&name);
    writes(&service, &mut cauldron.wire).await;
    let reading = ok!(service.read("N"));
    assert_eq!(
        (reading.kind, reading.status, reading.set_at),
        (Type::Integer, Status::Ready, None)
    );
    assert!(matches!(settle!(service.write("N", "junk")), Err(Error::InvalidArgument { .. })));
    let both = ok!(service.write_many([("N", 8), ("N", 13)], PATIENCE));
    assert!(
        matches!(&both[..], [Ok(_), Err(Error::Keyword { source: Refused { .. }, .. })]),
        "{both:?}"
    );
    ok!(service.write_nowait("N", 9));
    ok!(service.wait_for("N", |reading| reading.value == 9.into(), PATIENCE));

    let outcome = settle!(service.write_within("N", 99, A_SECOND));
    let Err(error @ Error::Timeout { .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.applied(), Applied::Perhaps);
}

async fn an_absent_dispatcher_is_distinguished_from_a_present_one<C: Kind>(
    client: C,
    name: &'static str,
) {
    let name = plain(name).to_lowercase();
    let service = keyword::Client::new(&client).service(&name);
    drop(Cauldron::start(SERVER.url(), &name));
    let mut wire = Wire::to(SERVER.url(), &name);
    for (value, keyword) in [(1, "N"), (2, "N"), (1, "X")] {
        let outcome = settle!(service.write(keyword, value));
        assert!(matches!(outcome, Err(Error::Keyword { source: NotServed, .. })), "{outcome:?}");
    }
    assert_eq!(wire.status("N").as_deref(), Some("ready"));
}

async fn values_set_by_cauldron_are_delivered<C: Watching>(client: C, name: &'static str) {
    enable_all_notifications();
    let name = plain(name).to_lowercase();
    let mut cauldron = Cauldron::start(SERVER.url(), &name);
    let service = keyword::Client::new(&client).service(&name);
    let mut monitor = ok!(service.monitor_all());
    assert_eq!(delivered!(monitor), update("N", "1"));
    for text in ["2", "3"] {
        set(&mut cauldron.wire, text);
        assert_eq!(delivered!(monitor), update("N", text));
    }
}

async fn writes_not_begun_by_their_deadline_are_not_sent<C: Kind>(client: C, name: &'static str) {
    let name = plain(name).to_lowercase();
    let mut wire = Wire::to(SERVER.url(), &name);
    wire.set(".N", "1");
    wire.register();
    let mut hangs = wire.listen(&[".N"]);
    let service = keyword::Client::new(&client).service(&name);
    let writes = ["2", "3", "4"].map(|text| ("N", text));
    let outcomes = ok!(service.write_many(writes, A_SECOND));
    let applied = outcomes.iter().map(|outcome| match outcome {
        Err(error @ Error::Timeout { .. }) => error.applied(),
        outcome => panic!("{outcome:?}"),
    });
    assert!(applied.eq([Applied::Perhaps, Applied::No, Applied::No]));
    wire.modify("N", b"end");
    assert_eq!([hangs.next_message().1, hangs.next_message().1], ["2", "end"]);
}

async fn without_notifications_the_status_is_looked_at<C: Kind>() {
    let (server, client): (_, C) = server_without_notifications().await;
    let mut cauldron = Cauldron::start(server.url(), "dome");
    let service = keyword::Client::new(&client).service("dome");
    for (value, is_taken) in [(5, true), (5, true), (13, false), (6, true)] {
        let outcome = settle!(service.write("N", value));
        assert_eq!(outcome.is_ok(), is_taken, "{value} {outcome:?}");
    }
    assert_eq!(cauldron.wire.value("N").as_deref(), Some("6"));
}

async fn a_writer_without_the_right_to_count_subscribers_can_write<C: Kind>() {
    let server = LocalServer::start_with(&["--notify-keyspace-events", "K$"]).unwrap();
    let rights = "ACL SETUSER ann on >pw ~* &* +@all -pubsub";
    let () = query(server.url(), rights).unwrap();
    let ann = C::build(C::builder(server.url()).user("ann").password("pw")).await.unwrap();
    let _cauldron = Cauldron::start(server.url(), "dome");
    assert_eq!(ok!(keyword::Client::new(&ann).service("dome").write("N", 5)).text, "5");
}
