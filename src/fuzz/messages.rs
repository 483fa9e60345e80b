//! What programs and servers say to each other beside values.

use allocation_counter::opt_out;

use super::engine::{Memory, Target};
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::events::{Interpreter, Sources};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::topology::Topology;
use crate::{changes, connection, keys, keyword, queue, read_through, topology};

pub(super) fn targets() -> Vec<Target> {
    vec![
        target("items of queues", ITEMS, queue::read_item),
        target("change messages", CHANGE_MESSAGES, |bytes| match changes::parse(bytes) {
            Some(message) => message.changes.count() <= bytes.len(),
            None => false,
        }),
        target("patterns", PATTERNS, |bytes| {
            let (pattern, text) = bytes.split_at(bytes.len() / 2);
            keys::matches(pattern, text) | keys::matches(&keys::escape(bytes), bytes)
        }),
        target("messages about keywords", KEYWORDS, keyword::read_message),
        with(
            "descriptions of keywords",
            DESCRIPTIONS,
            Box::new(|bytes| Ok(keyword::read_description(bytes))),
            256,
        ),
        target("ids of pyredis-cache", IDS, read_through::read_id),
        target("events", EVENTS, events),
        url(),
        replies(),
    ]
}

fn target(name: &str, corpus: &[&[u8]], decode: fn(&[u8]) -> bool) -> Target {
    let decode = Box::new(move |bytes: &[u8]| Ok(decode(bytes)));
    with(name, corpus, decode, 64)
}

fn with(name: &str, corpus: &[&[u8]], decode: super::engine::Decode, per_byte: u64) -> Target {
    let corpus = corpus.iter().map(|input| input.to_vec()).collect();
    Target { name: name.to_owned(), corpus, decode, memory: Memory { flat: 16 << 10, per_byte } }
}

/// Messages with a line feed between the channel and the payload, and before the next one.
fn events(bytes: &[u8]) -> bool {
    let topology = Topology::one("host:6379");
    let mut is_about_the_dict = false;
    for (name, format) in [
        ("users/", ChangeFormat::Own),
        ("users/", ChangeFormat::PubSubDict),
        ("users&&", ChangeFormat::PyDict("id".into())),
    ] {
        let publishing = ChangePublishing::adding(None, Structure::Dict, name, format);
        let mut interpreter = Interpreter::new(Sources::new(&publishing, 0));
        let mut lines = bytes.split(|byte| *byte == b'\n');
        while let (Some(channel), Some(payload)) = (lines.next(), lines.next()) {
            interpreter
                .translate((0, &topology), (channel, payload), &mut |_| is_about_the_dict = true);
        }
    }
    is_about_the_dict
}

/// A URL that is refused is not repeated, but for the name of a parameter. The corpus has a
/// password that is none.
fn url() -> Target {
    let decode = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
        match connection::read_url(text) {
            Ok(()) => Ok(true),
            Err(error) if error.to_string().contains("s3cr$t") => Err(format!("it says {error}")),
            Err(_) => Ok(false),
        }
    };
    with("URLs", URLS, Box::new(decode), 64)
}

/// Whatever a server answers, read as every kind of reply. A usual one is what the driver's parser
/// says. What is taken in advance for a length that a server declares is not counted.
fn replies() -> Target {
    let decode = |bytes: &[u8]| {
        let request = Request::read("MGET").key(b"a").key(b"b");
        let mut parsed = None;
        let mut usual = None;
        opt_out(|| {
            parsed = redis::parse_redis_value(bytes).ok();
            usual = connection::usual_reply(bytes);
        });
        if usual.is_some() && usual != parsed {
            return Err("the driver's parser disagrees".into());
        }
        let Some(value) = parsed else { return Ok(false) };
        let reply = || Reply { value: value.clone(), request: &request };
        Ok(reply::ok(reply()).is_ok()
            | reply::pong(reply()).is_ok()
            | reply::accepted(reply()).is_ok()
            | reply::count(reply()).is_ok()
            | reply::flags(reply()).is_ok()
            | reply::inserted(reply()).is_ok()
            | reply::optional_number(reply()).is_ok()
            | reply::sum::<f64>(reply()).is_ok()
            | reply::optional::<String>(reply()).is_ok()
            | reply::optional_each::<String>(reply()).is_ok()
            | reply::members_each::<String>(reply()).is_ok()
            | reply::each_or_none::<String>(reply()).is_ok()
            | reply::popped::<String>(reply()).is_ok()
            | reply::scanned_entries(reply()).is_ok()
            | reply::raw_each(reply()).is_ok()
            | reply::time(reply()).is_ok()
            | topology::read_slots(&value))
    };
    with("replies", REPLIES, Box::new(decode), 256)
}

const ITEMS: &[&[u8]] = &[
    b"job",
    b"\x1eq1;0;;job",
    b"\x1eq1;3!;1700-a;job",
    b"\x1eq1;99999999999999999999;1-a;x",
    b"\x1ed1;1700;3;a;b\x1eq1;2?;1-a;x",
    b"\x1ed1;1;18446744073709551615;x",
];

const CHANGE_MESSAGES: &[&[u8]] = &[
    b"1 0123456789abcdef - 7 I3:a:b",
    b"1 0123456789abcdef 16383 18446744073709551615 I0:U1:aR1:bT1:cC0:V0:",
    b"1 0123456789abcdef - 7 I18446744073709551615:a",
];

const PATTERNS: &[&[u8]] = &[b"a*b?[^a-z]\\", b"a*a*a*a*baaaaaaaa", b"[a-", b"[^]\\]]"];

const KEYWORDS: &[&[u8]] = &[
    b"a1\n500@1700\nAZ\n12.5",
    b"\n18446744073709551615\nAZ [1]\n",
    b"+1700 a b",
    b"-too hot",
    b"Cauldron.redis.common.dome.AZ:status",
    b"Cauldron.redis.common.dome.\xc5\x89",
];

const DESCRIPTIONS: &[&[u8]] = &[
    br#"{"name": "AZ", "type": "double", "range": [0, 360], "units": "deg"}"#,
    br#"{"name": "A", "type": "mask", "labels": ["a", "1", "2.5"]}"#,
    br#"{"name": "A", "type": "enumerated", "labels": ["open", "closed"], "access": "read-only"}"#,
    b"service = 'dome'\n[[keyword]]\nname = 'AZ'\ntype = 'double'\ninitial = 12.5\nevery = 0.5\n",
    br#"{"service": "d", "keyword": [{"name": "A", "type": "boolean", "initial": true}]}"#,
];

const IDS: &[&[u8]] = &[b"12", b"-0012", b"1e300", b"12.75", b"nan", b"-1e5", b"00000000000000"];

const EVENTS: &[&[u8]] = &[
    b"users/~rc:changes:dict\n1 0123456789abcdef - 7 I3:a:bU0:V0:C0:T1:a",
    b"users/~rc:changes:dict\n1 0123456789abcdef 5 7 V0:\n__keyspace@0__:users/a\nset",
    b"__keyspace@0__:users/a\nnew\n__keyspace@0__:users/a\nset\n__keyspace@0__:users/a\nexpired",
    b"users/update\nusers/a\nusers/delete\nusers/a",
    b"event_users&&a\nid",
];

const URLS: &[&[u8]] = &[
    b"redis://me:p%40s3cr$t@host:6379/1?protocol=3",
    b"rediss://:s3cr$t@[::1]:7/",
    b"unix:///a/b?db=3&user=me&pass=s3cr$t",
    b"redis://me:1234?s3cr$t=1&x@host",
    b"redis://:s3cr$t@host:99999/",
];

const REPLIES: &[&[u8]] = &[
    b"+OK\r\n",
    b":1\r\n",
    b"$1\r\na\r\n",
    b"$-1\r\n",
    b"*2\r\n$1\r\na\r\n$-1\r\n",
    b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"*2\r\n$10\r\n1700000000\r\n$1\r\n5\r\n",
    b"~2\r\n$1\r\na\r\n$1\r\nb\r\n",
    b",1.5\r\n",
    b"_\r\n",
    b"#t\r\n",
    b"%1\r\n$1\r\na\r\n:1\r\n",
    b"-MOVED 5 host:1\r\n",
    b"-ERR Error running script (call to f_1): @user_script:1: -NOPERM x\r\n",
    b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:7000\r\n",
    b"*4294967295\r\n*4294967295\r\n*4294967295\r\n",
    b"$4294967295\r\na",
];
