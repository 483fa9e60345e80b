//! Change events: the messages that collections publish, read by a plain subscription.
#![allow(clippy::disallowed_methods, reason = "times that are surely past and yet to come")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_collections::{
    Applied, ChangeFormat, Client, Codec, Deferred, Error, Json, LocalServer, Name, RedisDict,
    RedisHashDict, RedisList, RedisSet, Result,
};
use support::contract::{contract, contract_on_clusters, ok, ok_within, settle, sorted};
use support::kinds::{CLUSTER, Kind, SERVER};
use support::maps::map_scenarios;
use support::servers::cluster::Cluster;
use support::servers::query;

contract! {
    every_write_to_a_dict_is_published,
    every_write_to_a_hash_is_published,
    every_write_to_a_list_is_published,
    every_write_to_a_set_is_published,
    a_change_of_the_whole_key_is_published,
    an_update_is_published_once,
    a_move_is_published_by_both_collections,
    changes_are_published_in_the_formats_of_python,
    commands_that_travel_together_are_published,
    a_script_that_the_server_forgot_is_published,
    every_handle_made_from_another_keeps_publishing,
    any_bytes_are_published,
    a_large_number_is_answered_exactly,
    the_message_of_a_write_that_failed_is_revoked,
    a_change_too_large_for_one_message_comes_in_several,
    many_changes_come_in_one_message,
    sequences_of_concurrent_writers_have_no_gaps,
}

mod divided {
    use super::*;

    contract_on_clusters! {
        a_divided_write_is_published_slot_by_slot,
    }
}

/// The contract of a `RedisDict`, with a listener to its messages.
mod dicts {
    use super::*;

    fn open<K: Codec, V: Codec, C: Kind>(client: &C, name: impl Into<Name>) -> RedisDict<K, V, C> {
        RedisDict::with_prefix(client, name).publishing(OWN)
    }

    map_scenarios!(open);
}

/// The contract of a `RedisHashDict`, with a listener to its messages.
mod hashes {
    use super::*;

    fn open<K: Codec, V: Codec, C: Kind>(
        client: &C,
        name: impl Into<Name>,
    ) -> RedisHashDict<K, V, C> {
        RedisHashDict::new(client, name).publishing(OWN)
    }

    map_scenarios!(open);
}

const HOUR: Duration = Duration::from_secs(3600);
const OWN: ChangeFormat = ChangeFormat::Own;

type Dict<C> = RedisDict<String, i64, C>;
type Hash<C> = RedisHashDict<String, i64, C>;
type List<C> = RedisList<String, C>;
type Set<C> = RedisSet<String, C>;

/// A subscriber to channels at the server of a key.
struct Listener {
    subscriber: redis::Connection,
    publisher: redis::Connection,
    /// A channel that no other test uses, to mark the end of a test's messages.
    end: String,
}

/// One message of the format `Own`, taken apart.
#[derive(Debug)]
struct Message {
    instance: String,
    stream: String,
    sequence: u64,
    /// Each as its kind and its bytes.
    changes: Vec<String>,
}

impl Listener {
    fn at(url: &str, channels: &[impl AsRef<[u8]>]) -> Self {
        let connect = || redis::Client::open(url).unwrap().get_connection().unwrap();
        static LISTENERS: AtomicUsize = AtomicUsize::new(0);
        let end = format!("the end for {}", LISTENERS.fetch_add(1, Ordering::Relaxed));
        let mut this = Self { subscriber: connect(), publisher: connect(), end };
        this.subscriber.set_read_timeout(Some(support::servers::PATIENCE)).unwrap();
        let mut subscribe = redis::cmd("SUBSCRIBE");
        for channel in channels {
            subscribe.arg(channel.as_ref());
        }
        let packed = subscribe.arg(&this.end).get_packed_command();
        this.subscriber.send_packed_command(&packed).unwrap();
        for _ in 0..=channels.len() {
            this.subscriber.recv_response().unwrap();
        }
        this
    }

    /// The channel and the payload of all messages until now.
    fn raw(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        redis::cmd("PUBLISH").arg(&self.end).arg("").exec(&mut self.publisher).unwrap();
        let mut messages = Vec::new();
        loop {
            let message = self.subscriber.recv_response().unwrap();
            let [_, channel, payload]: [Vec<u8>; 3] =
                redis::from_redis_value::<Vec<Vec<u8>>>(message).unwrap().try_into().unwrap();
            if channel == self.end.as_bytes() {
                return messages;
            }
            messages.push((channel, payload));
        }
    }

    fn messages(&mut self) -> Vec<Message> {
        self.raw().iter().map(|(_, payload)| Message::parse(payload)).collect()
    }

    /// The changes of the only message until now, in their order.
    fn only_changes(&mut self) -> Vec<String> {
        let [message] = <[Message; 1]>::try_from(self.messages()).expect("one message");
        message.changes
    }

    /// All changes until now: sorted those of one message, separated by spaces, and messages by
    /// bars.
    fn changes(&mut self) -> String {
        let messages: Vec<_> = self.messages().into_iter().map(Message::sorted).collect();
        messages.join(" | ")
    }
}

impl Message {
    fn sorted(mut self) -> String {
        self.changes.sort();
        self.changes.join(" ")
    }

    fn parse(payload: &[u8]) -> Self {
        let mut parts = payload.splitn(5, |&byte| byte == b' ');
        let mut word = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        assert_eq!(word(), "1");
        let (instance, stream, sequence) = (word(), word(), word().parse().unwrap());
        let mut rest = parts.next().unwrap();
        let (mut kind, mut changes) = ('-', Vec::new());
        while !rest.is_empty() {
            if rest[0].is_ascii_uppercase() {
                kind = char::from(rest[0]);
                rest = &rest[1..];
            }
            let colon = rest.iter().position(|&byte| byte == b':').unwrap();
            let length: usize = std::str::from_utf8(&rest[..colon]).unwrap().parse().unwrap();
            let bytes = &rest[colon + 1..][..length];
            changes.push(format!("{kind}{}", bytes.escape_ascii()));
            rest = &rest[colon + 1 + length..];
        }
        Self { instance, stream, sequence, changes }
    }
}

/// The server that has `key`.
fn server_of(name: &str, key: &[u8]) -> String {
    match name.contains("cluster") {
        true => CLUSTER.url(CLUSTER.master_of(CLUSTER.key_slot(key).unwrap()).unwrap()),
        false => SERVER.url().to_owned(),
    }
}

/// A listener to a collection of some structure under a key or a prefix.
fn listen(name: &str, structure: &str, key: &str) -> Listener {
    let channel = format!("{key}~rc:changes:{structure}");
    Listener::at(&server_of(name, key.as_bytes()), &[channel])
}

/// A result in a form that is the same under another name.
fn shown<T: Debug>(result: Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(Error::Server { code, message, .. }) => format!("{code} {message}"),
        Err(Error::Unsupported { needs, .. }) => format!("needs {needs}"),
        Err(error) => format!("{error:?}"),
    }
}

/// Calls each operation on the plain collection and on the one that publishes, whose replies must
/// not differ, and compares the messages.
macro_rules! published {
    ($plain:ident, $publishing:ident, $listener:ident:
        $($operation:ident($($argument:expr),*) => $changes:expr;)+) => {$(
        let operation = stringify!($operation($($argument),*));
        let plain = settle!($plain.$operation($($argument),*));
        let publishing = settle!($publishing.$operation($($argument),*));
        assert_eq!(shown(publishing), shown(plain), "{operation}");
        assert_eq!($listener.changes(), $changes, "{operation}");
    )+};
}

async fn every_write_to_a_dict_is_published<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{{{name}}}/");
    let plain: Dict<C> = RedisDict::with_prefix(&client, format!("{{{name}}}-plain/"));
    let dict: Dict<C> = RedisDict::with_prefix(&client, &prefix[..]).publishing(OWN);
    let mut listener = listen(name, "dict", &prefix);
    let before = UNIX_EPOCH + HOUR;
    let later = SystemTime::now() + HOUR;
    published! { plain, dict, listener:
        insert("a", &1) => "Ia";
        insert("a", &2) => "Ua";
        get("a") => "";
        insert_many([("a", &1), ("b", &2), ("b", &3)]) => "Ib Ua";
        replace("a", &3) => "Ua";
        replace("c", &3) => "Ic";
        set_if_absent("a", &4) => "";
        set_if_absent("d", &4) => "Id";
        set_if_present("a", &5) => "Ua";
        set_if_present("e", &5) => "";
        get_or_insert("a", &6) => "";
        get_or_insert("e", &6) => "Ie";
        increment("a", 1) => "Ua";
        increment("f", 1) => "If";
        remove("a") => "Ra";
        remove("a") => "";
        remove_many(["a", "b", "c", "c"]) => "Rb Rc";
        take("d") => "Rd";
        take("d") => "";
        insert_with_ttl("a", &1, HOUR) => "Ia";
        get_and_expire("a", HOUR) => "Ta";
        get_and_expire("b", HOUR) => "";
        expire("a", HOUR) => "Ta";
        expire("b", HOUR) => "";
        expire_at("a", later) => "Ta";
        persist("a") => "Ta";
        persist("a") => "";
        expire_at("a", before) => "Ra";
        extend([("a", &1), ("b", &2)]) => "Ia Ib";
        replace_all([("b", &1), ("c", &2)]) => "Ic Ub | Ra Re Rf";
        replace_all([("", &0); 0]) => "Rb Rc";
        insert_many([("", &0); 0]) => "";
        insert("a", &1) => "Ia";
        clear() => "Ra";
    }
    let (texts, plain) = (dict.typed::<String, String>(), plain.typed::<String, String>());
    published! { plain, texts, listener: insert("a", "no number") => "Ia"; }
    let (numbers, plain) = (dict.typed::<String, i64>(), plain.typed::<String, i64>());
    published! { plain, numbers, listener: increment("a", 1) => ""; }
    let (floats, plain) = (dict.typed::<String, f64>(), plain.typed::<String, f64>());
    published! { plain, floats, listener:
        increment("a", 0.5) => "";
        increment("f", 0.5) => "If";
        increment("f", 1e3) => "Uf";
    }
}

async fn every_write_to_a_hash_is_published<C: Kind>(client: C, name: &'static str) {
    let plain: Hash<C> = RedisHashDict::new(&client, format!("{name}-plain"));
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "hash", name);
    published! { plain, hash, listener:
        insert("a", &1) => "Ia";
        insert("a", &2) => "Ua";
        get("a") => "";
        insert_many([("a", &1), ("b", &2)]) => "Ib Ua";
        replace("a", &3) => "Ua";
        replace("c", &3) => "Ic";
        set_if_absent("a", &4) => "";
        set_if_absent("d", &4) => "Id";
        set_if_present("a", &5) => "Ua";
        set_if_present("e", &5) => "";
        get_or_insert("a", &6) => "";
        get_or_insert("e", &6) => "Ie";
        increment("a", 1) => "Ua";
        increment("f", 1) => "If";
        remove("a") => "Ra";
        remove("a") => "";
        remove_many(["a", "b", "c"]) => "Rb Rc";
        take("d") => "Rd";
        take("d") => "";
        extend([("a", &1), ("b", &2)]) => "Ia Ib";
        replace_all([("b", &1), ("c", &2)]) => "Ic Ub | Ra Re Rf";
        clear() => "C";
        clear() => "";
        insert("a", &1) => "Ia";
    }
    let (texts, plain_texts) = (hash.typed::<String, String>(), plain.typed::<String, String>());
    published! { plain_texts, texts, listener: insert("a", "no number") => "Ua"; }
    published! { plain, hash, listener: increment("a", 1) => ""; }
    let has_expiry = settle!(hash.ttl("a")).is_ok();
    let on_newer = |changes: &'static str| if has_expiry { changes } else { "" };
    published! { plain, hash, listener:
        insert_with_ttl("g", &1, HOUR) => on_newer("Ig | Tg");
        expire("a", HOUR) => on_newer("Ta");
        expire("x", HOUR) => "";
        expire_at("a", SystemTime::now() + HOUR) => on_newer("Ta");
        persist("a") => on_newer("Ta");
        persist("a") => "";
        expire_at("a", UNIX_EPOCH + HOUR) => on_newer("Ra");
    }
}

async fn every_write_to_a_list_is_published<C: Kind>(client: C, name: &'static str) {
    let plain: List<C> = RedisList::new(&client, format!("{name}-plain"));
    let list: List<C> = RedisList::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "list", name);
    published! { plain, list, listener:
        push_back("a") => "I1";
        push_front("b") => "I1";
        push_many(["c", "d", "c"]) => "I3";
        try_push_back("e", 9) => "I1";
        try_push_back("e", 3) => "";
        push_back_evicting("f", 4) => "R3 | I1";
        len() => "";
        set(0, "g") => "U1";
        set(-4, "c") => "U1";
        set(4, "h") => "";
        insert_before("c", "b") => "I1";
        insert_after("c", "d") => "I1";
        insert_after("x", "d") => "";
        push_back("c") => "I1";
        remove_first("c") => "R1";
        remove("c") => "R2";
        remove("c") => "";
        pop_front() => "R1";
        pop_back() => "R1";
        push_many(["1", "2", "3", "4", "5", "6"]) => "I6";
        trim(1..=6) => "R2";
        trim(..99) => "";
        trim(2..) => "R2";
        pop_many(9) => "R4";
        pop_many(9) => "";
        pop_many(usize::MAX) => "";
        pop_front() => "";
        push_back("a") => "I1";
        pop_many(usize::MAX) => "R1";
        push_back("a") => "I1";
        trim(..0) => "R1";
        push_back("a") => "I1";
        trim(5..) => "R1";
        push_back("a") => "I1";
        wait_pop_front(HOUR) => "";
        push_back("a") => "I1";
        clear() => "C";
        clear() => "";
    }
}

async fn every_write_to_a_set_is_published<C: Kind>(client: C, name: &'static str) {
    let name_of = |which: &str| format!("{{{name}}}{which}");
    let open = |which: &str| -> Set<C> { RedisSet::new(&client, name_of(which)) };
    let (plain, set) = (open("plain"), open("").publishing(OWN));
    let (plain_target, target) = (open("plain-target"), open("target").publishing(OWN));
    let (other, others) = (open("other"), [&open("other")]);
    let mut listener = listen(name, "set", &name_of(""));
    published! { plain, set, listener:
        insert("a") => "Ia";
        insert("a") => "";
        contains("a") => "";
        insert_many(["a", "b", "c", "c"]) => "Ib Ic";
        remove("a") => "Ra";
        remove("a") => "";
        remove_many(["a", "b", "c"]) => "Rb Rc";
        insert("d") => "Id";
        pop() => "Rd";
        pop() => "";
        insert("e") => "Ie";
        pop_many(0) => "";
        pop_many(usize::MAX) => "Re";
        pop_many(9) => "";
        extend(["a", "b"]) => "Ia Ib";
        remove_equal("a") => "Ra";
        clear() => "C";
        clear() => "";
    }
    ok!(other.insert_many(["a", "b"]));
    ok!(set.insert_many(["b", "c"]));
    let mut listener = listen(name, "set", &name_of("target"));
    let mut stored = async |operation: &str, changes: &str| {
        let call = |target| match operation {
            "union" => set.union_into(&others, target),
            "intersection" => set.intersection_into(&others, target),
            _ => set.difference_into(&others, target),
        };
        assert_eq!(ok!(call(&target)), ok!(call(&plain_target)), "{operation}");
        assert_eq!(listener.changes(), changes, "{operation}");
    };
    stored("union", "Ia Ib Ic").await;
    stored("union", "").await;
    stored("intersection", "Ra Rc").await;
    stored("difference", "Ic Rb").await;
    let key: RedisDict<String, String, C> = RedisDict::with_prefix(&client, name_of(""));
    ok!(key.insert("target", "a string"));
    ok!(key.insert("plain-target", "a string"));
    stored("intersection", "Ib").await;
}

async fn a_change_of_the_whole_key_is_published<C: Kind>(client: C, name: &'static str) {
    let plain: Hash<C> = RedisHashDict::new(&client, format!("{name}-plain"));
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "hash", name);
    let (before, later) = (UNIX_EPOCH + HOUR, SystemTime::now() + HOUR);
    published! { plain, hash, listener: insert("a", &1) => "Ia"; }
    let (plain_key, key) = (plain.key(), hash.key());
    published! { plain_key, key, listener:
        expire(HOUR) => "T";
        expire_at(later) => "T";
        persist() => "T";
        persist() => "";
        remove() => "C";
        remove() => "";
        expire(HOUR) => "";
    }
    published! { plain, hash, listener: insert("a", &1) => "Ia"; }
    published! { plain_key, key, listener: expire_at(before) => "C"; }
}

async fn an_update_is_published_once<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{{{name}}}/");
    let dict: Dict<C> = RedisDict::with_prefix(&client, &prefix[..]).publishing(OWN);
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let mut of_dict = listen(name, "dict", &prefix);
    let mut of_hash = listen(name, "hash", name);
    let raise = |old: Option<i64>| Some(old.unwrap_or(0) + 1);
    for changes in ["Ia", "Ua"] {
        assert_eq!(ok_within!(dict.update("a", raise)), ok_within!(hash.update("a", raise)));
        assert_eq!((&of_dict.changes()[..], &of_hash.changes()[..]), (changes, changes));
    }
    for changes in ["Ra", ""] {
        assert_eq!(ok_within!(dict.update("a", |_| None)), ok_within!(hash.update("a", |_| None)));
        assert_eq!((&of_dict.changes()[..], &of_hash.changes()[..]), (changes, changes));
    }
    for changes in ["Ia", ""] {
        assert_eq!(ok_within!(dict.get_or_insert_with("a", || 7)), 7);
        assert_eq!(ok_within!(hash.get_or_insert_with("a", || 7)), 7);
        assert_eq!((&of_dict.changes()[..], &of_hash.changes()[..]), (changes, changes));
    }
}

async fn a_move_is_published_by_both_collections<C: Kind>(client: C, name: &'static str) {
    let name_of = |which: &str| format!("{{{name}}}{which}");
    let [from, to] = ["from", "to"]
        .map(|which| -> List<C> { RedisList::new(&client, name_of(which)).publishing(OWN) });
    let [mut of_from, mut of_to] =
        ["from", "to"].map(|which| listen(name, "list", &name_of(which)));
    ok!(from.push_many(["a", "b"]));
    assert_eq!(ok!(from.pop_front_to(&to)), Some("a".to_owned()));
    assert_eq!((of_from.changes(), of_to.changes()), ("I2 | R1".to_owned(), "I1".to_owned()));
    assert_eq!(ok!(from.pop_front_to(&from)), Some("b".to_owned()));
    assert_eq!((of_from.changes(), of_to.changes()), ("I1 R1".to_owned(), String::new()));
    let [from, to] = ["set-from", "set-to"]
        .map(|which| -> Set<C> { RedisSet::new(&client, name_of(which)).publishing(OWN) });
    let mut of_from = listen(name, "set", &name_of("set-from"));
    let mut of_to = listen(name, "set", &name_of("set-to"));
    ok!(from.insert_many(["a", "b"]));
    ok!(to.insert("b"));
    for (member, moved, published) in
        [("a", true, ["Ia Ib | Ra", "Ib | Ia"]), ("b", true, ["Rb", ""]), ("b", false, ["", ""])]
    {
        assert_eq!(ok!(from.move_to(&to, member)), moved);
        assert_eq!([&of_from.changes()[..], &of_to.changes()], published, "{member}");
    }
    assert!(ok!(to.move_to(&to, "a")));
    assert_eq!(of_to.changes(), "");
}

async fn changes_are_published_in_the_formats_of_python<C: Kind>(client: C, name: &'static str) {
    let text = |messages: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(name, "N");
        messages.iter().map(|(channel, id)| format!("{} {}", lossy(channel), lossy(id))).collect()
    };
    let prefix = format!("{{{name}}}/");
    let dict: Dict<C> = RedisDict::with_prefix(&client, &prefix[..]);
    let dict = dict.publishing(ChangeFormat::PubSubDict);
    let channels = ["update", "delete"].map(|which| format!("{prefix}{which}"));
    let mut listener = Listener::at(&server_of(name, prefix.as_bytes()), &channels);
    ok!(dict.insert_many([("a", &1), ("b", &2)]));
    ok!(dict.expire("a", HOUR));
    ok!(dict.remove_many(["a", "x"]));
    let expected = ["update a", "update b", "update a", "delete a"];
    assert_eq!(text(listener.raw()), expected.map(|message| format!("{{N}}/{message}")));

    let prefix = format!("{{{name}}}&&");
    let dict: Dict<C> = RedisDict::with_prefix(&client, &prefix[..]);
    let dict = dict.publishing(ChangeFormat::PyDict("7".into()));
    let dict = dict.publishing(ChangeFormat::PyDict("8".into()));
    let channels = ["a", "b"].map(|key| format!("event_{prefix}{key}"));
    let mut listener = Listener::at(&server_of(name, prefix.as_bytes()), &channels);
    ok!(dict.insert_many([("a", &1), ("b", &2)]));
    ok!(dict.expire("a", HOUR));
    ok!(dict.remove("a"));
    ok!(dict.increment("b", 1));
    let expected = ["a 7", "a 8", "b 7", "b 8", "b 7", "b 8"];
    assert_eq!(text(listener.raw()), expected.map(|message| format!("event_{{N}}&&{message}")));
    let mut own = listen(name, "dict", &prefix);
    ok!(dict.publishing(OWN).insert("b", &1));
    assert_eq!((listener.raw().len(), own.messages()[0].sequence), (2, 1), "the first of its own");
}

async fn commands_that_travel_together_are_published<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{{{name}}}/");
    let dict: RedisDict<String, i64, Deferred> = RedisDict::with_prefix(&Deferred, &prefix[..]);
    let dict = dict.publishing(OWN);
    let mut listener = listen(name, "dict", &prefix);
    let commands = || (dict.insert("a", &1), dict.get("a"), dict.get_or_insert("b", &2));
    let (inserted, got, other) = client.pipeline(commands()).await.unwrap();
    assert_eq!((inserted.unwrap(), got.unwrap(), other.unwrap()), ((), Some(1), 2));
    assert_eq!(listener.changes(), "Ia | Ib");
    assert_eq!(client.transaction(commands()).await.unwrap(), ((), Some(1), 2));
    assert_eq!(listener.changes(), "Ua");
    let many = (0..5).map(|_| dict.increment("a", 1)).collect::<Vec<_>>();
    assert_eq!(client.transaction(many).await.unwrap(), [2, 3, 4, 5, 6]);
    assert_eq!(listener.changes(), ["Ua"; 5].join(" | "));
}

async fn a_script_that_the_server_forgot_is_published<C: Kind>(client: C, name: &'static str) {
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "hash", name);
    for changes in ["Ia | Ua", "Ua | Ua"] {
        query::<()>(&server_of(name, name.as_bytes()), "SCRIPT FLUSH").unwrap();
        ok!(hash.insert("a", &1));
        ok!(hash.replace("a", &2));
        assert_eq!(listener.changes(), changes);
    }
}

async fn every_handle_made_from_another_keeps_publishing<C: Kind>(client: C, name: &'static str) {
    const AGES: RedisHashDict<String, i64, Deferred> = RedisHashDict::named("ages");
    let mut listener = listen(name, "hash", "ages");
    ok!(AGES.on(&client).clear());
    assert_eq!(listener.changes(), "");
    let ages = AGES.publishing(OWN).on(&client);
    ok!(ages.insert("a", &1));
    ok!(ages.lenient().remove("a"));
    ok!(ages.typed::<u8, u8>().insert(&1, &1));
    ok!(ages.deferred().on(&client).clone().key().remove());
    assert_eq!(listener.changes(), "Ia | Ra | I1 | C");
}

async fn any_bytes_are_published<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{{{name}}}*[a]?\\\0");
    let dict: RedisDict<Vec<u8>, Vec<u8>, C> = RedisDict::with_prefix(&client, &prefix[..]);
    let dict = dict.publishing(OWN);
    let mut listener = listen(name, "dict", &prefix);
    let keys: [&[u8]; 6] = [b"", b"a b:c", b"{x}{y}", b"*?[a-z]\\", b"\0\r\n\xff", b"I1:a"];
    let expected: Vec<_> = keys.iter().map(|key| format!("I{}", key.escape_ascii())).collect();
    ok!(dict.insert_many(keys.map(|key| (key, key))));
    let messages = listener.messages();
    assert_eq!(messages[0].changes, expected);
    for key in keys {
        assert_eq!(ok!(dict.take(key)), Some(key.to_vec()));
        assert_eq!(listener.changes(), format!("R{}", key.escape_ascii()));
    }
    let set: RedisSet<Vec<u8>, C> = RedisSet::new(&client, &prefix[..]).publishing(OWN);
    let mut listener = listen(name, "set", &prefix);
    ok!(set.insert_many(keys));
    assert_eq!(listener.messages()[0].changes, expected);
}

async fn a_large_number_is_answered_exactly<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{{{name}}}/");
    let dict: Dict<C> = RedisDict::with_prefix(&client, &prefix[..]).publishing(OWN);
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let large = i64::MAX - 6;
    assert_eq!((ok!(dict.increment("a", large)), ok!(hash.increment("a", large))), (large, large));
    assert_eq!(
        (ok!(dict.increment("b", -large)), ok!(hash.increment("b", -large))),
        (-large, -large)
    );
}

async fn the_message_of_a_write_that_failed_is_revoked<C: Kind>(client: C, name: &'static str) {
    let plain: Hash<C> = RedisHashDict::new(&client, format!("{name}-plain"));
    let hash: Hash<C> = RedisHashDict::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "hash", name);
    published! { plain, hash, listener:
        insert("a", &i64::MAX) => "Ia";
        increment("a", 1) => "Ua | V";
        insert("a", &1) => "Ua";
    }
    let (plain, set) = (Set::new(&client, format!("{name}-plain")), Set::new(&client, name));
    let set = set.publishing(OWN);
    let mut listener = listen(name, "set", name);
    published! { plain, set, listener:
        insert("a") => "";
        remove("a") => "";
        pop() => "";
    }
}

async fn a_change_too_large_for_one_message_comes_in_several<C: Kind>(
    client: C,
    name: &'static str,
) {
    // A master of the tests' clusters is replaced when it is silent for a second.
    let many: i64 = if name.contains("cluster") { 4000 } else { 20_000 };
    let name_of = |which: &str| format!("{{{name}}}{which}");
    let numbers: Vec<i64> = (0..many).collect();
    let reversed: Vec<i64> = (many / 2..many * 3 / 2).collect();
    let sizes = |listener: &mut Listener, kind: char| -> Vec<usize> {
        let messages = listener.messages();
        let changes = messages.iter().flat_map(|message| &message.changes);
        let (published, all) = (changes.clone().filter(|change| change.starts_with(kind)), changes);
        assert_eq!(published.count(), all.count(), "all of the kind {kind}");
        messages.iter().map(|message| message.changes.len()).collect()
    };
    let by_thousands = vec![1000; numbers.len() / 1000];
    let dict: RedisDict<i64, i64, C> = RedisDict::with_prefix(&client, name_of("/"));
    let dict = dict.publishing(OWN);
    let mut listener = listen(name, "dict", &name_of("/"));
    ok!(dict.insert_many(numbers.iter().zip(&numbers)));
    assert_eq!(sizes(&mut listener, 'I'), by_thousands);
    ok!(dict.insert_many(numbers.iter().zip(&reversed)));
    assert_eq!(sizes(&mut listener, 'U'), by_thousands);
    assert_eq!(ok!(dict.get_many([&0, &(many - 1)])), [Some(many / 2), reversed.last().copied()]);
    ok!(dict.replace_all(reversed.iter().zip(&numbers)));
    let messages = listener.messages();
    let count = |kind| {
        let changes = messages.iter().flat_map(|message| &message.changes);
        changes.filter(|change| change.starts_with(kind)).count() as i64
    };
    assert_eq!(['I', 'U', 'R'].map(count), [many / 2; 3]);
    assert_eq!(messages.len(), 3 * by_thousands.len() / 2, "a message for each thousand");
    assert_eq!(ok!(dict.remove_many(&reversed)), reversed.len());
    assert_eq!(sizes(&mut listener, 'R'), by_thousands);

    let hash: RedisHashDict<i64, i64, C> = RedisHashDict::new(&client, name_of("hash"));
    let hash = hash.publishing(OWN);
    let mut listener = listen(name, "hash", &name_of("hash"));
    assert_eq!(ok!(hash.insert_many(numbers.iter().zip(&numbers))), numbers.len());
    assert_eq!(sizes(&mut listener, 'I'), by_thousands);
    assert_eq!(ok!(hash.remove_many(&numbers)), numbers.len());
    assert_eq!(sizes(&mut listener, 'R'), by_thousands);

    let set: RedisSet<i64, C> = RedisSet::new(&client, name_of("set")).publishing(OWN);
    let mut listener = listen(name, "set", &name_of("set"));
    assert_eq!(ok!(set.insert_many(&numbers)), numbers.len());
    assert_eq!(sizes(&mut listener, 'I'), by_thousands);
    assert_eq!(ok!(set.pop_many(numbers.len())).len(), numbers.len());
    assert_eq!(sizes(&mut listener, 'R'), by_thousands);
    assert_eq!(ok!(set.len()), 0);

    let list: RedisList<i64, C> = RedisList::new(&client, name_of("list")).publishing(OWN);
    let mut listener = listen(name, "list", &name_of("list"));
    assert_eq!(ok!(list.push_many(&numbers)), numbers.len());
    assert_eq!(listener.changes(), vec!["I1000"; by_thousands.len()].join(" | "));
    assert_eq!(ok!(list.range(..)), numbers);
}

/// Old and new items in no order, in collections larger and smaller than the write, some repeated.
async fn many_changes_come_in_one_message<C: Kind>(client: C, name: &'static str) {
    let name_of = |which: &str| format!("{{{name}}}{which}");
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, name_of("/"));
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, name_of("hash"));
    let set: RedisSet<u64, C> = RedisSet::new(&client, name_of("set"));
    let list: RedisList<u64, C> = RedisList::new(&client, name_of("list"));
    let listen_to = |structure, which| listen(name, structure, &name_of(which));
    let mut of_dict = listen_to("dict", "/");
    let (mut of_hash, mut of_set) = (listen_to("hash", "hash"), listen_to("set", "set"));
    let mut of_list = listen_to("list", "list");
    // A third of the numbers below 990, which are written in an order that mixes them.
    let is_old = |number: u64| number < 990 && number.is_multiple_of(3);
    let written: Vec<u64> = (0..990).map(|number| number * 389 % 990).chain(0..10).collect();
    for others in [0, 3000] {
        let old = (0..990).filter(|&number| is_old(number)).chain(1000..1000 + others);
        let old: Vec<u64> = old.collect();
        ok!(dict.clear());
        ok!(hash.clear());
        ok!(set.clear());
        ok!(dict.extend(old.iter().zip(&old)));
        ok!(hash.insert_many(old.iter().zip(&old)));
        ok!(set.insert_many(&old));
        let (dict, hash) = (dict.publishing(OWN), hash.publishing(OWN));
        let (set, list) = (set.publishing(OWN), list.publishing(OWN));
        let expected = |kind_of: &dyn Fn(u64) -> Option<char>| -> Vec<String> {
            let changes = written[..990].iter();
            changes.filter_map(|&it| kind_of(it).map(|kind| format!("{kind}{it}"))).collect()
        };
        let entries = || written.iter().zip(&written);
        let changed = expected(&|number| Some(if is_old(number) { 'U' } else { 'I' }));
        ok!(dict.insert_many(entries()));
        assert_eq!(of_dict.only_changes(), changed, "beside {others}");
        assert_eq!(ok!(hash.insert_many(entries())), 660);
        assert_eq!(of_hash.only_changes(), changed, "beside {others}");
        assert_eq!(ok!(set.insert_many(&written)), 660);
        let inserted = expected(&|number| (!is_old(number)).then_some('I'));
        assert_eq!(of_set.only_changes(), inserted, "beside {others}");
        ok!(list.push_many(&written));
        assert_eq!(of_list.only_changes(), ["I1000"], "beside {others}");

        let removed = expected(&|number| (number % 5 > 0).then_some('R'));
        let absent: Vec<u64> = (0..990).step_by(5).collect();
        let keys = || absent.iter().copied();
        assert_eq!(ok!(dict.remove_many(keys())), absent.len());
        assert_eq!(ok!(hash.remove_many(keys())), absent.len());
        assert_eq!(ok!(set.remove_many(keys())), absent.len());
        for listener in [&mut of_dict, &mut of_hash, &mut of_set] {
            listener.raw();
        }
        assert_eq!(ok!(dict.remove_many(&written)), removed.len());
        assert_eq!(of_dict.only_changes(), removed, "beside {others}");
        assert_eq!(ok!(hash.remove_many(&written)), removed.len());
        assert_eq!(of_hash.only_changes(), removed, "beside {others}");
        assert_eq!(ok!(set.remove_many(&written)), removed.len());
        assert_eq!(of_set.only_changes(), removed, "beside {others}");
    }
}

async fn sequences_of_concurrent_writers_have_no_gaps<C: Kind>(client: C, name: &'static str) {
    let set: RedisSet<u64, C> = RedisSet::new(&client, name).publishing(OWN);
    let mut listener = listen(name, "set", name);
    let writers = (0..4).map(|writer| {
        let set = RedisSet::clone(&set);
        thread::spawn(move || {
            C::finish(async {
                for number in 0..250 {
                    ok!(set.insert(&(writer * 1000 + number)));
                }
            });
        })
    });
    writers.collect::<Vec<_>>().into_iter().for_each(|writer| writer.join().unwrap());
    let messages = listener.messages();
    let sequences: Vec<_> = messages.iter().map(|message| message.sequence).collect();
    assert!(sequences.iter().copied().eq(1..=1000), "{sequences:?}");
    let stream = match name.contains("cluster") {
        true => CLUSTER.key_slot(name).unwrap().to_string(),
        false => "-".to_owned(),
    };
    assert!(messages.iter().all(|message| message.stream == stream), "{:?}", messages[0]);
    assert!(messages.iter().all(|message| message.instance == messages[0].instance));
}

async fn a_divided_write_is_published_slot_by_slot<C: Kind>(client: C, name: &'static str) {
    let prefix = format!("{name}/");
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, &prefix[..]);
    let dict = dict.publishing(OWN);
    let mut listener = listen(name, "dict", &prefix);
    let numbers: Vec<u64> = (0..300).collect();
    let mut published = BTreeMap::new();
    let mut receive = |kind: char| {
        let mut keys = Vec::new();
        let all = support::eventually(|| {
            for message in listener.messages() {
                let last = published.insert(message.stream.clone(), message.sequence);
                assert_eq!(message.sequence, last.unwrap_or(0) + 1, "{message:?}");
                for change in message.changes {
                    assert!(change.starts_with(kind), "{change}");
                    let key = change[1..].to_owned();
                    let slot = CLUSTER.key_slot(format!("{prefix}{key}")).unwrap();
                    assert_eq!(message.stream, slot.to_string());
                    keys.push(key.parse::<u64>().unwrap());
                }
            }
            keys.len() >= numbers.len()
        });
        keys.sort();
        assert!(all && keys == numbers, "{keys:?}");
    };
    ok!(dict.insert_many(numbers.iter().zip(&numbers)));
    receive('I');
    let values = ok!(dict.get_many(&numbers));
    assert_eq!(values, numbers.iter().copied().map(Some).collect::<Vec<_>>());
    ok!(dict.extend(numbers.iter().zip(&numbers)));
    receive('U');
    assert_eq!(ok!(dict.remove_many(&numbers)), numbers.len());
    receive('R');
}

#[test]
fn a_write_waits_until_its_slot_has_arrived_with_the_sequences() {
    let cluster = Cluster::start().unwrap();
    let client = Client::cluster(cluster.urls()).unwrap();
    let set: RedisSet<u64> = RedisSet::new(&client, "s").publishing(OWN);
    let slot = cluster.key_slot("s").unwrap();
    let from = cluster.master_of(slot).unwrap();
    let to = cluster.another_master(from).unwrap();
    let mut listener = Listener::at(&cluster.url(to), &["s~rc:changes:set"]);
    set.insert(&1).unwrap();
    cluster.begin_move(slot, from, to).unwrap();
    set.insert(&2).unwrap();
    cluster.move_keys(&[b"s".to_vec()], from, to).unwrap();
    let sequences: Vec<String> = query(&cluster.url(from), "KEYS s~rc:sequences:set:*").unwrap();
    let both = format!("EVAL return(1) 2 s {}", sequences[0]);
    let refused = query::<i64>(&cluster.url(from), &both).unwrap_err();
    assert_eq!(refused.code(), Some("TRYAGAIN"));
    let writer = thread::spawn(move || set.insert(&3).and_then(|_| set.len()));
    cluster.finish_move(slot, from, to).unwrap();
    assert_eq!(writer.join().unwrap().unwrap(), 3);
    let mut received = Vec::new();
    let have_come = || {
        received.extend(listener.messages().iter().map(|message| message.sequence));
        received.len() >= 3
    };
    assert!(support::eventually(have_come));
    // Those of the old node come over the cluster's bus, and may be overtaken.
    received.sort();
    assert_eq!(received, [1, 2, 3]);
}

/// A server of its own and a client.
fn alone(arguments: &[&str]) -> (LocalServer, Client) {
    let server = LocalServer::start_with(arguments).expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    (server, client)
}

#[test]
fn a_format_that_does_not_fit_is_refused_by_the_first_command() {
    let client = support::kinds::client();
    let dict: Dict<Client> = RedisDict::new(&client, "refused");
    let list: List<Client> = RedisList::new(&client, "refused");
    for error in [
        dict.publishing(ChangeFormat::PubSubDict).insert("a", &1).unwrap_err(),
        dict.publishing(ChangeFormat::PyDict(String::new())).get("a").unwrap_err(),
        dict.publishing(ChangeFormat::PubSubDict).replace_all([("a", &1)]).unwrap_err(),
        list.publishing(ChangeFormat::PubSubDict).push_back("a").unwrap_err(),
        list.publishing(ChangeFormat::PyDict(String::new())).len().unwrap_err(),
        list.publishing(ChangeFormat::PubSubDict).key().remove().unwrap_err(),
    ] {
        assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
    }
    assert_eq!((dict.len().unwrap(), list.len().unwrap()), (0, 0));
}

#[test]
fn a_write_that_may_not_be_published_is_not_made() {
    let (server, admin) = alone(&[]);
    let user = "ACL SETUSER mute on >pw ~* +@all resetchannels &allowed/*";
    query::<()>(server.url(), user).unwrap();
    let mute = Client::open(&format!("redis://mute:pw@127.0.0.1:{}/", server.port())).unwrap();
    let mut listener =
        Listener::at(server.url(), &["s~rc:changes:set", "allowed/s~rc:changes:set"]);
    let set: Set<Client> = RedisSet::new(&mute, "s").publishing(OWN);
    let dict: Dict<Client> =
        RedisDict::with_prefix(&mute, "d/").publishing(ChangeFormat::PubSubDict);
    let twice = dict.publishing(OWN);
    for error in [
        set.insert("a").unwrap_err(),
        dict.insert("a", &1).unwrap_err(),
        dict.get_or_insert("a", &1).unwrap_err(),
        twice.insert("a", &1).unwrap_err(),
        mute.transaction((set.deferred().insert("a"),)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("channel"), "{error}");
    }
    assert_eq!((set.len().unwrap(), dict.len().unwrap()), (0, 0));
    admin.check().unwrap();
    query::<()>(server.url(), "ACL SETUSER mute allchannels").unwrap();
    set.insert("a").unwrap();
    assert_eq!(listener.messages()[0].sequence, 1, "what was refused has left no gap");
}

#[test]
fn a_refused_write_is_not_published() {
    let (server, client) = alone(&[]);
    let channels = ["d/~rc:changes:dict", "d/update", "d/delete", "event_p&&a", "event_p&&b"];
    let mut listener = Listener::at(server.url(), &channels);
    let own: Dict<Client> = RedisDict::with_prefix(&client, "d/").publishing(OWN);
    let python: Dict<Client> = RedisDict::with_prefix(&client, "d/");
    let python = python.publishing(ChangeFormat::PubSubDict);
    let events: Dict<Client> = RedisDict::with_prefix(&client, "p&&");
    let events = events.publishing(ChangeFormat::PyDict("1".to_owned()));
    for (on, off, code) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"),
    ] {
        own.insert("a", &1).unwrap();
        events.insert("a", &1).unwrap();
        listener.raw();
        query::<()>(server.url(), on).unwrap();
        for dict in [&own, &python, &events] {
            let refused = shown(dict.insert("b", &1));
            assert!(refused.starts_with(code), "{refused}");
            let refused = shown(dict.increment("a", 1));
            assert!(refused.starts_with(code), "{refused}");
        }
        assert_eq!(listener.raw(), [], "{code}");
        let removed = [&own, &events].map(|dict| shown(dict.remove("a")));
        match code {
            "OOM" => assert_eq!(removed, ["true", "true"], "what frees memory is not refused"),
            _ => assert!(removed.iter().all(|refused| refused.starts_with(code)), "{removed:?}"),
        }
        assert_eq!(listener.raw().len(), usize::from(code == "OOM"), "{code}");
        query::<()>(server.url(), off).unwrap();
    }
}

#[test]
fn a_sequence_begins_anew_where_the_server_lost_its_data() {
    let (server, client) = alone(&[]);
    let mut listener = Listener::at(server.url(), &["s~rc:changes:set"]);
    let set: Set<Client> = RedisSet::new(&client, "s").publishing(OWN);
    for _ in 0..2 {
        set.insert("a").unwrap();
        set.remove("a").unwrap();
        let sequences: Vec<_> =
            listener.messages().iter().map(|message| message.sequence).collect();
        assert_eq!(sequences, [1, 2]);
        query::<()>(server.url(), "FLUSHALL").unwrap();
    }
    let other = Client::open(server.url()).unwrap();
    set.on(&other).insert("a").unwrap();
    assert_eq!(listener.changes(), "Ia", "the counter is shared, not the client's");
    let dict: RedisDict<String, String> = RedisDict::whole_database(&client);
    assert!(dict.keys().next().is_none(), "a dict never lists the counters");
}
