//! What services and keywords there are.

use redis_collections::keyword::{Dispatcher, Keyword};
use redis_collections::{Client, LocalServer};
use serde_json::{Value, json};

use crate::{check, dome, objects, rckey};
use support::kinds::client;
use support::program::Said::{Failed, Out};
use support::program::texts;
use support::wire::Wire;

#[test]
fn services_are_listed_including_those_without_a_dispatcher() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let list = |options: &str| {
        let output = rckey(options).env("REDIS_URL", server.url()).output().expect("the program");
        assert!(output.status.success());
        texts(&output).0
    };
    assert_eq!((list("list"), list("list --json")), (String::new(), String::new()));
    let _dome = Dispatcher::builder("Dome").serve(&client).expect("a name that is free");
    let mut wire = Wire::to(server.url(), "SERVICES_REGISTRY");
    let registry = wire.name("");
    let () = wire.run(&[b"SADD", registry.as_bytes(), b"crashed\x1b"]);
    let text = list("list");
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["SERVICE", "SERVED", "HEARTBEAT"]);
    assert_eq!(rows.len(), 2, "a name that cannot be one is left out: {text}");
    assert_eq!(rows[1][..2], ["dome", "yes"]);
    let () = wire.run(&[b"SADD", registry.as_bytes(), b"crashed"]);
    assert!(list("list").contains("\ncrashed  no      -\n"), "{text}");
    let text = list("list --json");
    let services: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let crashed = json!({ "service": "crashed", "served": false, "heartbeat_ms": null });
    assert_eq!((services.len(), &services[0]), (2, &crashed));
    assert!(services[1]["heartbeat_ms"].is_u64() && services[1]["served"] == true);
}

#[test]
fn keywords_are_listed_and_shown() {
    let _dome = dome("shown");
    check([
        ("list shown", Out("AZ\nCOUNT\nLAMP\nLIMITS\nNOTE\nSECRET\nSHUTTER\n")),
        ("list SHOWN", Out("AZ\nCOUNT\nLAMP\nLIMITS\nNOTE\nSECRET\nSHUTTER\n")),
        (
            "show shown az limits secret",
            Out("\
KEYWORD  TYPE    UNITS  RANGE     ACCESS      VALUES         HELP
AZ       double  deg    0 to 360  read-write  -              where the opening points
LIMITS   mask    -      -         read-only   low,high,wind
SECRET   string  -      -         write-only  -
"),
        ),
        (
            "show shown Shutter --json",
            Out("{\"access\":\"read-write\",\"help\":null,\"keyword\":\"SHUTTER\",\
                \"labels\":[\"closed\",\"open\"],\"range\":null,\"service\":\"shown\",\
                \"type\":\"enumerated\",\"units\":null}\n"),
        ),
        ("show shown NONE", Failed(1, "rckey: NONE: there is no such keyword")),
        ("list nowhere", Failed(1, "nowhere has no keywords")),
        ("show nowhere", Failed(1, "nowhere has no keywords")),
    ]);
    assert_eq!(objects("show shown --json").len(), 7);
    let listed = objects("list shown --json");
    assert_eq!(listed[0], json!({ "service": "shown", "keyword": "AZ", "type": "double" }));
}

#[test]
fn labels_are_shown_so_that_they_can_be_written() {
    let bits = Keyword::mask("BITS", ["hot, dry", "wet"]).initial(1);
    let _dispatcher = Dispatcher::builder("bits").keyword(bits).serve(&client()).expect("a name");
    check([
        ("write bits BITS=", Out("BITS = \n")),
        ("read bits BITS --raw", Out("0\n")),
        ("write bits BITS=ice", Failed(1, "\"ice\" is none of \"hot, dry\", \"wet\"")),
        (
            "show bits",
            Out("\
KEYWORD  TYPE  UNITS  RANGE  ACCESS      VALUES            HELP
BITS     mask  -      -      read-write  \"hot, dry\",\"wet\"
"),
        ),
    ]);
}
