use std::time::Instant;

use super::state::{MAX_BYTES, MAX_HELD_BEATS, MAX_WAITING};
use super::*;
use crate::error::KeywordError;
use crate::keyword::client::fresh;
use crate::keyword::kind::Kind;
use crate::keyword::reading::Status;
use crate::topology::Topology;
use std::sync::Arc;

const VALUE: &str = "__keyspace@0__:Cauldron.redis.common.dome.";
const CHANGED: &str = "Cauldron.redis.common.dome~rc:changed:";

fn keyword(name: &str) -> KeywordName {
    KeywordName::new(name).unwrap()
}

fn buffer(names: &[&str]) -> UpdateBuffer {
    let service = ServiceName::new("dome").unwrap();
    let only = names.iter().map(|name| keyword(name)).collect();
    let buffer = UpdateBuffer::new(service, Some(only), 0);
    buffer.begin(1);
    buffer
}

const STATUS: &str = ":status";

impl UpdateBuffer {
    fn begin(&self, session: u64) {
        let topology = Arc::new(Topology::new([]));
        self.on_connected(
            session,
            FeedInfo { topology, channel: None, reports_keys: true, is_blind: false },
            0,
        );
    }

    fn say(&self, channel: &str, name: &str, payload: &str) {
        let channel = format!("{channel}{name}");
        let (channel, payload) = (channel.as_bytes(), payload.as_bytes());
        self.on_push(0, Push::Message { channel, payload });
    }

    /// Simulates a dispatcher that sets a keyword: its change event and the server's notifications.
    fn set(&self, name: &str, update: &str) {
        self.say(CHANGED, name, update);
        self.say(VALUE, name, "set");
        self.say(VALUE, &format!("{name}{STATUS}"), "set");
    }

    /// Returns the next action, after answering that the service is served if that is unknown.
    fn next_step(&self) -> Next {
        match self.next() {
            Next::FindOut(Unknown::ServedStatus) => {
                self.have_attended(true, Some(Duration::from_secs(3600)));
                self.next()
            }
            next => next,
        }
    }

    /// Carries out the next action, with this value for a read, and describes it.
    fn step(&self, at: u64, text: &str) -> String {
        match self.next_step() {
            Next::Deliver(Ok(reading)) => format!("{}={}", reading.keyword, reading.text),
            Next::Deliver(Err(error)) => error.to_string(),
            Next::FindOut(Unknown::ServedStatus) => "attend".into(),
            Next::FindOut(Unknown::List) => "list".into(),
            Next::Wait(_) => "wait".into(),
            Next::FindOut(Unknown::States(session, names)) => {
                let read = |name: &KeywordName| Ok(stored(name, at, text));
                let readings = names.iter().map(read).collect();
                let shown: Vec<_> = names.iter().map(ToString::to_string).collect();
                self.have_read(session, names, readings);
                format!("read {}", shown.join(" "))
            }
        }
    }

    /// Describes all actions until there is nothing to do, with this value for reads.
    fn rest(&self, at: u64, text: &str) -> Vec<String> {
        std::iter::from_fn(|| Some(self.step(at, text)).filter(|step| step != "wait")).collect()
    }
}

fn stored(name: &KeywordName, at: u64, text: &str) -> Reading {
    Reading { read_at: Instant::now(), ..fresh(name, Kind::Integer, text.into(), at) }
}

#[test]
fn the_echo_of_an_update_is_not_read() {
    let buffer = buffer(&["A", "B"]);
    assert_eq!(buffer.rest(5, "0"), ["read A B", "A=0", "B=0"]);
    buffer.set("A", "6 1");
    buffer.set("B", "7 2");
    buffer.set("C", "7 2");
    assert_eq!(buffer.rest(0, ""), ["A=1", "B=2"]);
    buffer.say(VALUE, "A", "set");
    assert_eq!(buffer.rest(6, "9"), ["read A", "A=9"]);
    buffer.say(CHANGED, "A", "8 3");
    buffer.say(VALUE, "B", "set");
    buffer.say(VALUE, "A", "set");
    assert_eq!(buffer.rest(8, "3"), ["A=3", "read A B", "B=3"]);
}

#[test]
fn statuses_are_delivered_in_their_order() {
    let buffer = buffer(&["A"]);
    assert_eq!(buffer.rest(5, "0"), ["read A", "A=0"]);
    let say = |news: &str, parts: &[&str]| {
        buffer.say(CHANGED, "A", news);
        parts.iter().for_each(|part| buffer.say(VALUE, &format!("A{part}"), "set"));
    };
    let delivered = || -> Vec<_> {
        let next = || match buffer.next_step() {
            Next::Deliver(Ok(it)) => Some((it.status, it.error, it.text)),
            Next::Wait(_) => None,
            _ => panic!("it needs no read"),
        };
        std::iter::from_fn(next).collect()
    };
    let error = || Some("hot".to_owned());
    say("modify 6 -1 ", &[STATUS]);
    say("modify 7 -1  1", &["", STATUS]);
    say("error 8 3 hot", &[STATUS]);
    say("error 9 3 hot", &[STATUS]);
    say("error 10 3 hot 2", &["", STATUS]);
    say("ready 11 -1 ", &[STATUS]);
    say("11 2", &["", STATUS]);
    let expected = [
        (Status::Modify, None, "0"),
        (Status::Modify, None, "1"),
        (Status::Error, error(), "1"),
        (Status::Error, error(), "2"),
        (Status::Ready, None, "2"),
    ];
    let expected = expected.map(|(status, error, text)| (status, error, text.to_owned()));
    assert_eq!(delivered(), expected);
    // Another program sets the status again, and then an event of another dispatcher is older than
    // the last reading.
    say("modify 12 -1 ", &[STATUS, STATUS]);
    assert_eq!(delivered_and_read(&buffer, 14), [(Status::Modify, 12), (Status::Ready, 14)]);
    say("modify 13 -1 ", &[STATUS]);
    assert_eq!(delivered_and_read(&buffer, 14), []);
}

/// Returns the delivered statuses and times; reads return a value that is ready since `at`.
fn delivered_and_read(buffer: &UpdateBuffer, at: u64) -> Vec<(Status, u64)> {
    let mut delivered = Vec::new();
    loop {
        match buffer.next_step() {
            Next::Deliver(Ok(reading)) => {
                delivered.push((reading.status, reading.changed.unwrap()))
            }
            Next::FindOut(Unknown::States(session, names)) => {
                let readings = names.iter().map(|name| Ok(stored(name, at, "2"))).collect();
                buffer.have_read(session, names, readings);
            }
            _ => return delivered,
        }
    }
}

#[test]
fn the_service_is_checked_when_its_lease_may_be_over() {
    let buffer = buffer(&["A"]);
    let hour = Some(Duration::from_secs(3600));
    assert!(matches!(buffer.next(), Next::FindOut(Unknown::ServedStatus)));
    buffer.have_attended(true, hour);
    assert_eq!(buffer.rest(5, "0"), ["read A", "A=0"]);
    let Next::Wait(time) = buffer.next() else { panic!("something to do") };
    assert!(time > Duration::from_secs(3000));
    for is_served in [false, true] {
        buffer.say(CHANGED, "", if is_served { "served" } else { "left" });
        assert!(matches!(buffer.next(), Next::FindOut(Unknown::ServedStatus)));
        buffer.have_attended(is_served, hour);
        let Next::FindOut(Unknown::States(session, names)) = buffer.next() else {
            panic!("nothing to read")
        };
        let reading = Reading { is_served, ..stored(&names[0], 5, "0") };
        buffer.have_read(session, names, vec![Ok(reading)]);
        let Next::Deliver(Ok(reading)) = buffer.next() else { panic!("nothing is delivered") };
        assert_eq!(reading.is_served, is_served);
        buffer.have_attended(is_served, None);
        assert!(matches!(buffer.next(), Next::Wait(time) if time < Duration::from_secs(2)));
    }
    // An event from before its end arrives late.
    let read = |is_served| {
        buffer.have_attended(is_served, hour);
        let Next::FindOut(Unknown::States(session, names)) = buffer.next() else {
            panic!("nothing to read")
        };
        let left = Reading { is_served, changed: None, ..stored(&names[0], 6, "1") };
        buffer.have_read(session, names, vec![Ok(left)]);
        matches!(buffer.next(), Next::Deliver(Ok(reading)) if !reading.is_served)
    };
    buffer.say(CHANGED, "", "left");
    assert!(matches!(buffer.next(), Next::FindOut(Unknown::ServedStatus)));
    assert!(read(false));
    buffer.set("A", "6 1");
    assert!(matches!(buffer.next(), Next::Deliver(Ok(reading)) if reading.is_served));
    assert!(matches!(buffer.next(), Next::FindOut(Unknown::ServedStatus)));
    assert!(read(false));
}

#[test]
fn old_and_known_states_are_not_delivered_again() {
    let buffer = buffer(&["A"]);
    buffer.set("A", "6 1");
    assert_eq!(buffer.rest(6, "1"), ["read A", "A=1"]);
    for (update, delivered) in [
        ("6 1", &[][..]),
        ("5 0", &[]),
        ("7 1", &[]),
        ("8 2", &["A=2"]),
        ("8 3", &[]),
        ("9 junk", &["read A", "A=4"]),
        ("10 ", &["read A"]),
        ("junk", &["read A"]),
    ] {
        buffer.set("A", update);
        assert_eq!(buffer.rest(9, "4"), delivered, "{update}");
    }
    // It was read before it was set.
    buffer.say(VALUE, "A", "set");
    let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
        panic!("nothing to read")
    };
    buffer.set("A", "20 5");
    assert_eq!(buffer.step(0, ""), "A=5");
    buffer.have_read(session, names, vec![Ok(stored(&keyword("A"), 9, "4"))]);
    assert_eq!(buffer.rest(0, ""), [""; 0]);
}

#[test]
fn no_update_is_delivered_under_a_type_in_doubt() {
    let buffer = buffer(&["A"]);
    let next = |kind: Kind, at: u64, text: &str| match buffer.next_step() {
        Next::FindOut(Unknown::States(session, names)) => {
            let reading = Reading { kind, ..stored(&names[0], at, text) };
            buffer.have_read(session, names, vec![Ok(reading)]);
            "read".into()
        }
        Next::Deliver(Ok(reading)) => format!("{:?} {}", reading.kind, reading.text),
        Next::Wait(_) => "wait".into(),
        _ => "failed".to_owned(),
    };
    let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
        panic!("nothing to read")
    };
    let unknown = Err(buffer.service.unknown("read", &names[0]));
    buffer.have_read(session, names, vec![unknown]);
    assert_eq!(next(Kind::Integer, 0, ""), "failed");
    for (update, kind, at, delivered) in [
        ("1 1", Kind::Integer, 1, &["read", "Integer 1"][..]),
        ("2 2", Kind::Integer, 2, &["Integer 2"]),
        ("double", Kind::Double, 2, &["read", "Double 2"]),
        ("3 3", Kind::Double, 3, &["Double 3"]),
    ] {
        buffer.set("A", update);
        let steps: Vec<_> = delivered.iter().map(|_| next(kind, at, &at.to_string())).collect();
        assert_eq!(steps, delivered, "{update}");
        assert_eq!(next(kind, at, ""), "wait", "{update}");
    }
    buffer.say(CHANGED, "A", "string");
    buffer.set("A", "4 4");
    assert_eq!([(); 3].map(|()| next(Kind::String, 4, "4")), ["read", "String 4", "wait"]);
    // It is read before its type changes again.
    buffer.say(CHANGED, "A", "double");
    let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
        panic!("nothing to read")
    };
    buffer.say(CHANGED, "A", "integer");
    buffer.set("A", "5 5");
    buffer.have_read(session, names, vec![Ok(stored(&keyword("A"), 4, "4"))]);
    assert_eq!(
        [(); 4].map(|()| next(Kind::String, 5, "5")),
        ["Integer 4", "read", "String 5", "wait"]
    );
    buffer.begin(2);
    buffer.set("A", "6 6");
    assert_eq!([(); 3].map(|()| next(Kind::Double, 6, "6")), ["read", "Double 6", "wait"]);
}

#[test]
fn a_state_that_the_server_has_lost_is_waited_for() {
    let buffer = buffer(&["A"]);
    assert_eq!(buffer.rest(5, "1"), ["read A", "A=1"]);
    let find_nothing = || {
        let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
            panic!("nothing to read")
        };
        let unknown = Err(buffer.service.unknown("read", &names[0]));
        buffer.have_read(session, names, vec![unknown]);
    };
    buffer.begin(2);
    find_nothing();
    assert_eq!(buffer.rest(0, ""), [""; 0]);
    buffer.on_watermark(2, 0, Duration::ZERO);
    assert_eq!(buffer.rest(9, "1"), ["read A"], "it is there again");
    buffer.begin(3);
    for _ in 0..MAX_HELD_BEATS {
        find_nothing();
        assert_eq!(buffer.rest(0, ""), [""; 0]);
        buffer.on_watermark(3, 0, Duration::ZERO);
    }
    find_nothing();
    let Next::Deliver(Err(error)) = buffer.next_step() else { panic!("no error") };
    assert_eq!(error.keyword_error(), Some(&KeywordError::UnknownKeyword));
}

#[test]
fn a_slow_monitor_skips_to_the_latest_values() {
    let buffer = buffer(&["A", "B"]);
    assert_eq!(buffer.rest(1, "0").len(), 3);
    for at in 2..3 * MAX_WAITING {
        buffer.set(if at == 2 { "A" } else { "B" }, &format!("{at} {at}"));
        assert!(buffer.state().news.len() <= MAX_WAITING);
    }
    let delivered = buffer.rest(3 * MAX_WAITING as u64, "-1");
    assert_eq!(delivered[delivered.len() - 3..], ["read A B", "A=-1", "B=-1"]);
}

#[test]
fn after_a_reconnection_everything_is_read_again() {
    let buffer = buffer(&["A", "B"]);
    assert_eq!(buffer.rest(9, "1").len(), 3);
    buffer.set("A", "10 2");
    buffer.say(VALUE, "B", "set");
    let Next::Deliver(_) = buffer.next_step() else { panic!("nothing to deliver") };
    let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
        panic!("nothing to read")
    };
    buffer.begin(2);
    buffer.have_read(session, names, vec![Ok(stored(&keyword("B"), 9, "7"))]);
    buffer.set("A", "11 3");
    assert_eq!(buffer.rest(11, "3"), ["read A B", "A=3", "B=3"]);
}

#[test]
fn a_reading_older_than_the_delivered_one_waits_for_the_dispatcher() {
    let buffer = buffer(&["A"]);
    assert_eq!(buffer.rest(9, "1"), ["read A", "A=1"]);
    buffer.begin(2);
    // The new server lacks the old one's state until the dispatcher restores it.
    assert_eq!(buffer.rest(7, "0"), ["read A"]);
    buffer.set("A", "8 5");
    assert_eq!(buffer.rest(0, ""), [""; 0]);
    buffer.on_watermark(2, 0, Duration::ZERO);
    assert_eq!(buffer.rest(9, "1"), ["read A"]);
    buffer.on_watermark(2, 0, Duration::ZERO);
    assert_eq!(buffer.rest(0, ""), [""; 0]);
    buffer.set("A", "8 5");
    buffer.set("A", "10 2");
    assert_eq!(buffer.rest(0, ""), ["A=2"]);

    // The clock of another dispatcher is behind.
    buffer.begin(3);
    for beat in 0..MAX_HELD_BEATS {
        assert_eq!(buffer.rest(3, "4"), ["read A"], "{beat}");
        buffer.on_watermark(3, 0, Duration::ZERO);
    }
    assert_eq!(buffer.rest(3, "4"), ["read A", "A=4"]);
    buffer.set("A", "4 5");
    assert_eq!(buffer.rest(0, ""), ["A=5"]);
}

#[test]
fn a_new_status_brings_no_value_back() {
    let buffer = buffer(&["A"]);
    assert_eq!(buffer.rest(9, "1"), ["read A", "A=1"]);
    buffer.begin(2);
    // On the new server a write has begun before the dispatcher has restored the lost state.
    let Next::FindOut(Unknown::States(session, names)) = buffer.next_step() else {
        panic!("nothing to read")
    };
    let written = Reading { changed: Some(10), ..stored(&keyword("A"), 7, "0") };
    buffer.have_read(session, names, vec![Ok(written)]);
    assert_eq!(buffer.rest(0, ""), [""; 0]);
    buffer.on_watermark(2, 0, Duration::ZERO);
    assert_eq!(buffer.rest(11, "2"), ["read A", "A=2"]);
}

#[test]
fn values_of_too_many_bytes_are_not_kept() {
    let buffer = buffer(&["A"]);
    assert_eq!(buffer.step(1, "0"), "read A");
    let long = "x".repeat(MAX_BYTES / 2);
    for at in 2..5 {
        buffer.set("A", &format!("{at} {long}"));
    }
    assert_eq!(buffer.rest(4, "last"), ["A=0", "read A", "A=last"]);
    for at in [5, 6] {
        buffer.set("A", &format!("{at} {at}"));
    }
    assert_eq!(buffer.rest(0, ""), ["A=5", "A=6"]);
}
