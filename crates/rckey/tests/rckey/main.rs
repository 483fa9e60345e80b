//! The program `rckey`, as it is run.

#[path = "../../../../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use redis_collections::keyword::{Dispatcher, Keyword, Value as Set};
use redis_collections::{Client, LocalServer};
use serde_json::{Value, json};
use support::kinds::{SERVER, client};
use support::program::Said::{Failed, Out};
use support::program::{Case, Program, Said, texts};
use support::servers::{PATIENCE, query};
use support::wire::Wire;
use support::{eventually, send_signal, within};

const PROGRAM: Program = Program { name: "rckey", path: env!("CARGO_BIN_EXE_rckey") };

/// The program with arguments that have no spaces in them.
fn rckey(arguments: &str) -> Command {
    PROGRAM.command(arguments)
}

fn objects(arguments: &str) -> Vec<Value> {
    PROGRAM.objects(arguments)
}

fn check<const N: usize>(cases: [(&str, Said); N]) {
    PROGRAM.check(&cases.map(|(arguments, said)| Case(arguments, b"", said)));
}

/// A service with a keyword of each kind that matters.
fn dome(service: &str) -> Dispatcher {
    let azimuth = Keyword::double("AZ").units("deg").range(0.0..=360.0).initial(12.5);
    let shutter = Keyword::enumerated("SHUTTER", ["closed", "open"]).initial(0);
    Dispatcher::builder(service)
        .keyword(azimuth.help("where the opening points"))
        .keyword(shutter)
        .keyword(Keyword::mask("LIMITS", ["low", "high", "wind"]).read_only().initial(5))
        .keyword(Keyword::boolean("LAMP").initial(true))
        .keyword(Keyword::string("NOTE").initial("a\tb\nc"))
        .keyword(Keyword::string("SECRET").write_only().on_write(|_| Ok::<_, String>(())))
        .keyword(Keyword::integer("COUNT"))
        .serve(&client())
        .expect("a name that is free")
}

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

/// The program that goes on until a signal, and the lines that it prints.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(arguments: &str) -> Self {
        let mut child = rckey(arguments).spawn().expect("the program");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|it| line.send(it)));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Waits until the line comes.
    fn expect(&mut self, line: &str) {
        while self.line() != line {}
    }

    fn errors(&mut self) -> impl Iterator<Item = std::io::Result<String>> {
        BufReader::new(self.child.stderr.take().expect("a pipe")).lines()
    }

    fn end(mut self, signal: &str) {
        assert!(send_signal(signal, self.child.id()).expect("kill"));
        assert!(within(PATIENCE, || self.child.try_wait().expect("a process").is_some()));
        assert!(self.lines.iter().all(|line| !line.contains('\x1b')));
        let mut error = String::new();
        let mut from = self.child.stderr.take().expect("a pipe");
        from.read_to_string(&mut error).expect("text");
        let code = self.child.wait().expect("an end").code();
        assert_eq!((code, &error[..]), (Some(0), ""), "{signal}");
    }
}

/// A test that has failed leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn services_are_listed_with_those_that_nobody_serves() {
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
fn values_are_read_in_words_or_raw() {
    let dome = dome("read");
    check([
        ("read read AZ", Out("AZ = 12.5 deg\n")),
        ("read read shutter az", Out("SHUTTER = closed\nAZ = 12.5 deg\n")),
        (
            "read read",
            Out("AZ = 12.5 deg\nCOUNT =  (init)\nLAMP = true\nLIMITS = low,wind\n\
                NOTE = a\\tb\\nc\nSHUTTER = closed\n"),
        ),
        ("read read AZ LAMP LIMITS --raw", Out("12.5\n1\n5\n")),
        ("read read NOTE -r", Out("a\tb\nc\n")),
        ("read read SECRET", Failed(1, "rckey: SECRET: refused: it can only be written")),
        ("read nowhere AZ", Failed(1, "rckey: AZ: there is no such keyword")),
        ("read nowhere", Failed(1, "nowhere has no keywords")),
        ("read read AZ --raw --json", Failed(2, "cannot be used with")),
    ]);
    dome.set("AZ", 400.0).expect_err("out of range");
    check([("read read AZ", Out("AZ = 12.5 deg (error: 400.0 is not between 0 and 360)\n"))]);
}

#[test]
fn what_can_be_read_is_read_though_something_else_cannot() {
    let _dome = dome("partly");
    let mut wire = Wire::to(SERVER.url(), "partly");
    let key = wire.name(".NOTE");
    let () = wire.run(&[b"SET", key.as_bytes(), b"\xff"]);
    let output = rckey("read partly NONE AZ NOTE LAMP").output().expect("the program");
    let (out, error) = texts(&output);
    assert_eq!((&out[..], output.status.code()), ("AZ = 12.5 deg\nLAMP = true\n", Some(1)));
    let errors: Vec<_> = error.lines().collect();
    assert_eq!((errors.len(), errors[0]), (2, "rckey: NONE: there is no such keyword"));
    assert!(errors[1].starts_with("rckey: ") && errors[1].contains("NOTE"), "{error}");
}

#[test]
fn readings_in_json_have_everything() {
    let _dome = dome("object");
    let mut reading = objects("read object LIMITS --json").remove(0);
    let object = reading.as_object_mut().expect("an object");
    let [age, at] =
        ["age_ms", "set_at_ms"].map(|name| object.remove(name).and_then(|it| it.as_u64()));
    assert!(age.is_some() && at > age);
    let expected = json!({
        "service": "object", "keyword": "LIMITS", "type": "mask", "value": 5, "text": "5",
        "shown": "low,wind", "status": "ready", "error": null, "served": true,
    });
    assert_eq!(reading, expected);
    let values: Vec<_> =
        objects("read object --json").iter().map(|it| it["value"].clone()).collect();
    assert_eq!(json!(values), json!([12.5, "", true, 5, "a\tb\nc", 0]));
}

#[test]
fn a_write_says_what_became_of_each_value() {
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
fn a_write_waits_for_so_long_or_not_at_all() {
    let (slow, go) = slow("slow");
    check([
        (
            "write slow a=1 --timeout 200ms",
            Failed(1, "rckey: A: no answer in time; it may have been done all the same\n"),
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
fn a_name_may_have_what_is_between_names_and_values() {
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

#[test]
fn changes_are_watched_until_a_signal() {
    let dome = dome("watched");
    for (azimuth, signal) in [(45.0, "INT"), (46.0, "TERM")] {
        dome.set("AZ", 12.5).expect("a server");
        let mut running = Running::start("watch watched AZ shutter");
        let mut present = [running.line(), running.line()];
        present.sort();
        assert_eq!(present, ["AZ = 12.5 deg", "SHUTTER = closed"]);
        dome.set("LAMP", false).expect("a server");
        dome.set("AZ", azimuth).expect("a server");
        assert_eq!(running.line(), format!("AZ = {azimuth:?} deg"));
        running.end(signal);
    }
    let mut running = Running::start("watch watched --json");
    let all: Vec<Value> =
        (0..6).map(|_| serde_json::from_str(&running.line()).expect("an object")).collect();
    assert!(
        all.iter().all(|reading| reading["service"] == "watched" && reading["status"] != "error")
    );
    dome.set("SHUTTER", "open").expect("a server");
    let change: Value = serde_json::from_str(&running.line()).expect("an object");
    assert_eq!((&change["keyword"], &change["shown"]), (&json!("SHUTTER"), &json!("open")));
    running.end("INT");
}

#[test]
fn no_value_is_watched_after_a_newer_one() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let dispatcher = Dispatcher::builder("busy").keyword(Keyword::integer("COUNT").initial(0));
    let dispatcher = dispatcher.serve(&client).expect("a free name");
    let mut running = Running::start(&format!("watch busy --url {}", server.url()));
    running.expect("COUNT = 0");
    let looks = || {
        let statistics: String = query(server.url(), "INFO commandstats").expect("statistics");
        let calls = statistics.split_once("cmdstat_mget:calls=").expect("a look").1;
        calls.split(',').next().and_then(|calls| calls.parse().ok()).unwrap_or(0_u32)
    };
    let (first, mut last) = (looks(), 0);
    while looks() < first + 3 {
        for _ in 0..500 {
            last += 1;
            dispatcher.set("COUNT", last).expect("a server");
        }
    }
    let mut seen = 0;
    while seen != last {
        let line = running.line();
        let number = line.strip_prefix("COUNT = ").and_then(|it| it.parse().ok()).expect("a count");
        assert!(seen < number, "{number} after {seen}");
        seen = number;
    }
    running.end("INT");
}

#[test]
fn what_is_refused_is_seen_by_those_who_watch() {
    let dome = dome("observed");
    let mut running = Running::start("watch observed AZ");
    running.expect("AZ = 12.5 deg");
    dome.set("AZ", -1.0).expect_err("out of range");
    running.expect("AZ = 12.5 deg (error: -1.0 is not between 0 and 360)");
    dome.set("AZ", 12.5).expect("a server");
    running.expect("AZ = 12.5 deg");
    running.end("INT");
}

#[test]
fn a_watch_says_when_dispatcher_and_server_are_gone() {
    let mut server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let serve = || {
        let keyword = Keyword::integer("N").initial(1);
        Dispatcher::builder("gone").keyword(keyword).serve(&client).expect("a free name")
    };
    let dispatcher = serve();
    let watch =
        |options: &str| Running::start(&format!("watch gone {options} --url {}", server.url()));
    let (mut lines, mut objects) = (watch(""), watch("--json"));
    let mut is_served = |expected: bool| loop {
        let object: Value = serde_json::from_str(&objects.line()).expect("an object");
        if object["served"] == expected {
            break;
        }
    };
    lines.expect("N = 1");
    is_served(true);
    drop(dispatcher);
    lines.expect("N = 1 (not served)");
    is_served(false);
    let _dispatcher = serve();
    lines.expect("N = 1");
    is_served(true);
    let mut errors = lines.errors();
    server.stop().expect("a process");
    let lost = errors.next().expect("a line").expect("text");
    assert!(lost.starts_with("rckey: "), "{lost}");
    server.restart().expect("a server");
    assert_eq!(errors.next().expect("a line").expect("text"), "rckey: the server is there again");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_once() {
    let _dome = dome("full");
    for arguments in ["read full", "list full", "show full --json"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = rckey(arguments).stdout(full).output().expect("the program");
        let (_, error) = texts(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    }
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

#[test]
fn a_watch_begins_only_with_keywords_that_there_are() {
    let _dome = dome("begun");
    check([
        ("watch nowhere", Failed(1, "nowhere has no keywords")),
        ("watch begun AZ NONE", Failed(1, "rckey: NONE: there is no such keyword")),
        ("watch begun SECRET", Failed(1, "rckey: SECRET: refused: it can only be written")),
    ]);
}

#[test]
fn a_keyword_that_comes_later_is_watched_too() {
    let note = || Keyword::string("NOTE").initial("a");
    let first = Dispatcher::builder("grown").keyword(note()).serve(&client()).expect("a free name");
    let mut running = Running::start("watch grown");
    running.expect("NOTE = a");
    first.shutdown().expect("an end");
    let azimuth = Keyword::double("AZ").units("deg").initial(1);
    let grown = Dispatcher::builder("grown").keyword(note()).keyword(azimuth);
    let _grown = grown.serve(&client()).expect("a free name");
    running.expect("AZ = 1.0 deg");
    running.end("INT");
}

#[test]
fn a_table_is_redrawn_in_place_on_a_terminal() {
    let dome = dome("drawn");
    for (variable, coloured) in [(("A", ""), true), (("NO_COLOR", "1"), false)] {
        dome.set("AZ", 12.5).expect("a server");
        let mut is_set = false;
        let seen = PROGRAM.drawn("watch drawn AZ SHUTTER", variable, |seen| {
            if !is_set && seen.contains("12.5 deg") && seen.contains("\x1b[4A") {
                dome.set("AZ", 99.0).expect("a server");
                is_set = true;
            }
            is_set && seen.contains("99.0 deg")
        });
        assert!(seen.contains("drawn is served") && seen.contains("  AGE"), "{seen}");
        assert!(seen.contains("SHUTTER  closed"), "{seen}");
        assert_eq!(seen.contains("\x1b[36m"), coloured, "{seen}");
    }
}

#[test]
fn a_table_says_what_is_wrong() {
    let mut dome = Some(dome("wrong"));
    let seen = PROGRAM.drawn("watch wrong AZ", ("A", ""), |seen| {
        if let Some(dome) = dome.take_if(|_| seen.contains("wrong is served")) {
            dome.set("AZ", -1.0).expect_err("out of range");
            dome.shutdown().expect("an end");
        }
        seen.contains("wrong is not served") && seen.contains("error: -1.0 is not between")
    });
    assert!(seen.contains("\x1b[31mAZ "), "{seen}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let _dome = dome("piped");
    for arguments in ["list", "list piped", "show piped", "read piped", "watch piped", "--help"] {
        PROGRAM.check_with_a_closed_pipe(arguments);
    }
}

#[test]
fn failures_are_told_though_nobody_reads_the_rest() {
    let dome = dome("unread");
    let out_of_range = "rckey: AZ: refused: 400.0 is not between 0 and 360\n";
    let unknown = "rckey: NONE: there is no such keyword\n";
    for (arguments, code, error) in [
        ("write unread AZ=400 --json", 1, out_of_range),
        ("write unread LAMP=off AZ=400", 1, out_of_range),
        ("write unread LAMP=off AZ=400 --json", 1, out_of_range),
        ("write nowhere AZ=1 -n --json", 1, "rckey: AZ: no dispatcher serves it\n"),
        ("write unread COUNT=7 NOTE=new -n", 0, ""),
        ("read unread AZ NONE", 1, unknown),
        ("show unread AZ NONE", 1, unknown),
        ("show unread AZ NONE --json", 1, unknown),
    ] {
        assert_eq!(PROGRAM.unread(arguments), (Some(code), error.to_owned()), "{arguments}");
    }
    assert!(eventually(|| dome.get("NOTE").expect("a keyword") == Some("new".into())));
}

#[test]
fn where_something_was_sent_usage_was_not_wrong() {
    let dome = dome("mixed");
    let problem = "the name of a keyword cannot have '.' in it";
    check([
        ("write mixed AZ=1 a.b=2", Failed(1, problem)),
        ("write mixed a.b=2 AZ=2 -n", Failed(1, problem)),
        ("write mixed a.b=2", Failed(2, problem)),
        ("write mixed a.b=2 -n", Failed(2, problem)),
        ("read mixed a.b AZ", Failed(1, problem)),
        ("show mixed a.b", Failed(2, problem)),
    ]);
    assert!(eventually(|| dome.get("AZ").expect("a keyword") == Some(2.0.into())));
}

#[test]
fn wrong_usage_is_told_in_one_line() {
    check([
        ("raed dome", Failed(2, "a similar subcommand exists: 'read'; Usage: rckey")),
        ("read", Failed(2, "<SERVICE>")),
        ("write dome", Failed(2, "<NAME=VALUE>")),
        ("write dome AZ", Failed(2, "a value is written like NAME=VALUE")),
        ("write dome =1", Failed(2, "a value is written like NAME=VALUE")),
        ("write dome AZ=1 -t 5x", Failed(2, "a time is written like 250ms")),
        ("watch dome --raw", Failed(2, "unexpected argument '--raw'")),
        ("read dome a.b", Failed(2, "the name of a keyword cannot have '.' in it")),
        ("write dome a:b=1", Failed(2, "the name of a keyword cannot have ':' in it")),
        ("watch dome a.b", Failed(2, "the name of a keyword cannot have '.' in it")),
        ("list do:me", Failed(2, "the name of a service cannot have ':' in it")),
        ("list --url nonsense", Failed(2, "cannot use this configuration")),
    ]);
    let output = rckey("").output().expect("the program");
    let (out, error) = texts(&output);
    assert_eq!((output.status.code(), &out[..]), (Some(2), ""));
    assert!(error.contains("Usage: rckey"));
}

#[test]
fn a_server_that_is_down_is_a_failure_without_its_password() {
    let mut server = LocalServer::start().expect("a server");
    let address = format!("127.0.0.1:{}", server.port());
    server.stop().expect("a process");
    let url = format!("redis://ann:5ecret@{address}/");
    for arguments in
        ["list", "list dome", "show dome", "read dome A", "write dome A=1", "watch dome"]
    {
        let output = rckey(arguments).env("REDIS_URL", &url).output().expect("an end");
        let (_, error) = texts(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.starts_with(&format!("rckey: cannot connect to {address}")), "{error}");
        assert!(!error.contains("5ecret"), "{error}");
    }
    let help = rckey("--help").env("REDIS_URL", &url).output().expect("an end");
    assert!(!texts(&help).0.contains("5ecret"));
}
