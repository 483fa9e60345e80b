//! Values as they are written, and how assignments are parsed.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use redis_collections::Client;
use redis_collections::keyword::{Dispatcher, Keyword, Value as Set};
use serde_json::json;

use crate::{check, dome, objects, rckey};
use support::eventually;
use support::kinds::{SERVER, client};
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::servers::proxy::Proxy;

/// A service whose one keyword takes no value before something is sent.
fn slow(service: &str) -> (Dispatcher, Sender<()>) {
    let (go, gone): (_, Receiver<()>) = channel();
    let gone = Mutex::new(gone);
    let wait = move |_: Set| -> Result<(), String> {
        let _ = gone.lock().expect("no panic").recv();
        Ok(())
    };
    let keyword = Keyword::integer("A").initial(0).on_write(wait);
    (Dispatcher::builder(service).keyword(keyword).serve(&client()).expect("a free name"), go)
}

#[test]
fn a_write_says_why_a_dead_dispatcher_still_counts_as_serving() {
    let proxy = Proxy::to(SERVER.port()).expect("a proxy");
    let shaky = Client::open(&proxy.url()).expect("a connection");
    let keyword = Keyword::integer("A").initial(0);
    let dispatcher = Dispatcher::builder("cut").keyword(keyword).serve(&shaky);
    let _dispatcher = dispatcher.expect("a free name");
    proxy.refuse();
    proxy.kill();
    let write = || texts(&rckey("write cut A=1 --no-wait").output().expect("an end")).1;
    assert!(eventually(|| !write().is_empty()));
    let error = write();
    let begins = error.starts_with("rckey: A: no dispatcher serves it; the last heartbeat of one");
    assert!(begins && error.contains("until its lease ends"), "{error}");
    assert_eq!(objects("read cut --json")[0]["served"], true);
}

#[test]
fn a_write_reports_the_outcome_of_each_value() {
    let _dome = dome("write");
    check([
        ("write write AZ=90", Out("AZ = 90.0 deg\n")),
        ("write write az=90", Out("AZ = 90.0 deg\n")),
        ("write write AZ=1e2 SHUTTER=Open", Out("AZ = 100.0 deg\nSHUTTER = open\n")),
        ("write write NOTE=", Out("NOTE = \n")),
        ("write write NOTE=a=b", Out("NOTE = a=b\n")),
        ("read write AZ SHUTTER --raw", Out("100.0\n1\n")),
        ("write write AZ=361", Failed(1, "rckey: AZ: refused: 361.0 is not between 0 and 360")),
        ("write write SHUTTER=ajar", Failed(1, "SHUTTER: refused: \"ajar\" is none of")),
        ("write write LIMITS=1", Failed(1, "rckey: LIMITS: refused: it is read-only")),
        ("write write NONE=1", Failed(1, "rckey: NONE: there is no such keyword")),
        ("write nowhere AZ=1", Failed(1, "rckey: AZ: no dispatcher serves it")),
        ("write nowhere AZ=1 --no-wait", Failed(1, "rckey: AZ: no dispatcher serves it")),
    ]);
    let output = rckey("write write AZ=361 LAMP=off").output().expect("the program");
    let (out, error) = texts(&output);
    assert_eq!((&out[..], output.status.code()), ("LAMP = false\n", Some(1)));
    assert_eq!(error, "rckey: AZ: refused: 361.0 is not between 0 and 360\n");
    let outcomes = objects("write write AZ=7 NONE=1 LIMITS=1 --json");
    assert_eq!((&outcomes[0]["outcome"], &outcomes[0]["value"]), (&json!("set"), &json!(7.0)));
    assert_eq!(
        (&outcomes[1]["outcome"], &outcomes[1]["keyword"]),
        (&json!("unknown"), &json!("NONE"))
    );
    let refused = json!({
        "service": "write", "keyword": "LIMITS", "outcome": "refused", "error": "it is read-only",
    });
    assert_eq!(outcomes[2], refused);
    assert_eq!(objects("write nowhere AZ=1 --json")[0]["outcome"], "not served");
}

#[test]
fn a_write_waits_up_to_its_timeout_or_not_at_all() {
    let (slow, go) = slow("slow");
    check([
        (
            "write slow a=1 --timeout 200ms",
            Failed(1, "rckey: A: no answer in time; it may have been applied anyway\n"),
        ),
        ("write slow A=2 --no-wait", Out("A sent\n")),
        (
            "write slow a=3 -n --json",
            Out("{\"keyword\":\"A\",\"outcome\":\"sent\",\"service\":\"slow\"}\n"),
        ),
        ("write slow A=3 -n -t 1s", Failed(2, "cannot be used with")),
    ]);
    let object = &objects("write slow A=4 -t 1ms --json")[0];
    assert_eq!(
        (&object["outcome"], &object["error"]),
        (&json!("timeout"), &json!("A: no answer in time"))
    );
    drop(go);
    check([("write slow A=5", Out("A = 5\n"))]);
    let set = || slow.history("A").map(|values| values.len()).expect("a keyword");
    assert!(eventually(|| set() == 6), "none was lost");
}

#[test]
fn a_forced_write_is_done_once_more() {
    let (done, calls) = channel();
    let park = move |_: Set| done.send(()).map_err(|error| error.to_string());
    let keyword = Keyword::boolean("PARK").initial(false).on_write(park);
    let dispatcher = Dispatcher::builder("parked").keyword(keyword).serve(&client());
    let _dispatcher = dispatcher.expect("a name that is free");
    for (arguments, count) in [
        ("write parked PARK=on", 1),
        ("write parked PARK=on", 0),
        ("write parked PARK=on --force", 1),
        ("write parked PARK=on -f -t 1m", 1),
    ] {
        check([(arguments, Out("PARK = true\n"))]);
        assert_eq!(calls.try_iter().count(), count, "{arguments}");
    }
    check([("write parked PARK=on -f -n", Failed(2, "cannot be used with"))]);
}

#[test]
fn names_are_no_patterns() {
    let keyword = |name: &str| Keyword::string(name).initial(name);
    let builder =
        Dispatcher::builder("any [a-z]*").keyword(keyword("A B*")).keyword(keyword("AXB?"));
    let _dispatcher = builder.serve(&client()).expect("a name that is free");
    for (arguments, expected) in [
        (&["read", "any [a-z]*", "a b*"][..], "A B* = A B*\n"),
        (&["read", "any [a-z]*"], "A B* = A B*\nAXB? = AXB?\n"),
        (&["write", "ANY [a-z]*", "A B*=x *"], "A B* = x *\n"),
        (&["read", "any [a-z]*", "-r"], "x *\nAXB?\n"),
    ] {
        let output = rckey("").args(arguments).output().expect("the program");
        assert_eq!(texts(&output), (expected.into(), String::new()), "{arguments:?}");
    }
    check([("read any? AXB?", Failed(1, "there is no such keyword"))]);
}

#[test]
fn a_keyword_name_may_contain_equals_signs() {
    let keywords = ["A=B", "C", "C=D", "E=", "=F"].map(|name| Keyword::string(name).initial(""));
    let _dispatcher =
        Dispatcher::builder("equal").keywords(keywords).serve(&client()).expect("a name");
    check([
        ("write equal A=B=1", Out("A=B = 1\n")),
        ("write equal a=b=c=d", Out("A=B = c=d\n")),
        ("write equal C=D=2", Out("C = D=2\n")),
        (r"write equal C\=D=3", Out("C=D = 3\n")),
        ("write equal E==4", Out("E= = 4\n")),
        ("write equal =F=5", Out("=F = 5\n")),
        ("write equal X=Y=6", Failed(1, "X: there is no such keyword")),
    ]);
}
