//! The rule itself, over all collections and awkward names.

use std::collections::BTreeMap;

use super::{MARK, into_slot, is_side_key, name_of, side_key_in_slot};
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::client::Deferred;
use crate::collections::{RedisDict, RedisHashDict, RedisList, RedisSet};
use crate::keys::slot::{SLOTS, key_slot};
use crate::queue;
use crate::read_through;
use crate::request::Request;

type Bytes = Vec<u8>;

/// The keys and channels of one collection of one name.
struct Owned {
    owner: String,
    keys: Vec<Bytes>,
    channels: Vec<Bytes>,
}

/// Names, and keys of entries, some of which are keys of other collections.
fn words() -> Vec<Bytes> {
    let text = [
        "",
        "a",
        "a:b",
        "b",
        "mail",
        "mail:",
        "mail:dead",
        "mail:delayed",
        "mail:paused",
        "dead",
        "paused",
        "jobs",
        "jobs:u",
        "u:paused",
        "unique:paused",
        "jobs~rc:unique",
        "mail~rc:dead",
        "mail~rc:",
        "~rc:",
        "~rc",
        "mail~",
        "mail~r",
        "mail~rc",
        "rc:dead",
        "c:paused",
        ":paused",
        "a~rc",
        "~rc:sequences",
        "{mail}",
        "{mail}:dead",
        "{",
        "{}",
        "}{",
        "x{y}z",
        "a/b c.d-e",
        "ü",
        "%s",
        "*",
        "[a]",
        "\n",
        "cache",
        "cache:1",
        "1~rc:load",
        "1",
        "load",
        "Cauldron.redis.common.dome",
        "dome",
        "dome:lease",
        "redis-collections:sequences",
        "lease",
        "forget:dict",
    ];
    let bytes = [&b"\0"[..], b"\xff~rc", b"\x1e", b"\xff~rc:\xff"];
    text.iter().map(|text| text.as_bytes()).chain(bytes).map(Bytes::from).collect()
}

fn keys_of(request: &Request) -> Vec<Bytes> {
    if request.refusal().is_some() {
        return Vec::new();
    }
    request.keys().map(Bytes::from).collect()
}

/// The channel of a collection that publishes its changes, and the keys of its sequences.
fn channels_of(publishing: &ChangePublishing) -> Vec<Bytes> {
    vec![publishing.own_channel(), publishing.sequences(None), publishing.sequences(Some(7))]
}

/// Everything that the collections of the name `name` can have, with `words` for their content.
fn collections(name: &Bytes, words: &[Bytes]) -> Vec<Owned> {
    let owner = |kind: &str| format!("{kind} \"{}\"", name.escape_ascii());
    let whole = |kind: &str, structure, request: &Request| {
        let keys = keys_of(request);
        let channels = if keys.is_empty() {
            Vec::new()
        } else {
            channels_of(&ChangePublishing::adding(None, structure, &name[..], ChangeFormat::Own))
        };
        Owned { owner: owner(kind), channels, keys }
    };
    let of_dict = |dict: RedisDict<Bytes, Bytes, Deferred>| {
        let keys = words.iter().flat_map(|word| keys_of(&dict.get(word).request)).collect();
        let removal = dict.publishing(ChangeFormat::Own).remove(&Bytes::new()).request;
        let channels =
            removal.publishing().iter().flat_map(|publishing| channels_of(publishing)).collect();
        // Dictionaries of one prefix are the same.
        Owned { owner: format!("{dict:?}"), keys, channels }
    };
    let cache = |kind| {
        let keys = words.iter().flat_map(|id| read_through::keys_of(&name[..], kind, id)).collect();
        Owned { owner: owner(kind), keys, channels: Vec::new() }
    };
    let queue = queue::keys_of(&name[..]);
    vec![
        Owned { owner: owner("queue"), keys: queue, channels: Vec::new() },
        whole(
            "list",
            Structure::List,
            &RedisList::<Bytes, _>::new(&Deferred, &name[..]).len().request,
        ),
        whole(
            "set",
            Structure::Set,
            &RedisSet::<Bytes, _>::new(&Deferred, &name[..]).len().request,
        ),
        whole(
            "hash",
            Structure::Hash,
            &RedisHashDict::<Bytes, Bytes, _>::new(&Deferred, &name[..]).len().request,
        ),
        of_dict(RedisDict::new(&Deferred, &name[..])),
        of_dict(RedisDict::with_prefix(&Deferred, &name[..])),
        cache("cache"),
        cache("hash-cache"),
        #[cfg(feature = "keyword")]
        Owned {
            owner: owner("service"),
            keys: crate::keyword::keys_of(name, words),
            channels: Vec::new(),
        },
    ]
}

#[test]
fn no_collection_has_a_key_beside_another_one() {
    let words = words();
    let all = words.iter().flat_map(|name| collections(name, &words));
    let (mut owners, mut counted) = (BTreeMap::new(), 0);
    for Owned { owner, keys, channels } in all {
        let side_keys = keys.into_iter().filter(|key| is_side_key(key, 0)).chain(channels);
        for key in side_keys {
            counted += 1;
            let before = owners.entry(key.clone()).or_insert_with(|| owner.clone());
            assert_eq!(*before, owner, "both have \"{}\"", key.escape_ascii());
        }
    }
    assert!(counted > 5000, "only {counted}");
}

#[test]
fn the_name_of_a_collection_ends_at_the_first_mark() {
    let words = words();
    for name in words.iter().filter(|name| !is_side_key(name, 0)) {
        for key in queue::keys_of(&name[..]) {
            assert_eq!(name_of(&key), &name[..], "\"{}\"", key.escape_ascii());
        }
    }
}

#[test]
fn names_and_entries_with_the_mark_are_refused() {
    let mark = MARK.as_bytes();
    for name in [&b"mail~rc:dead"[..], b"~rc:", b"a~r~rc:b", b"\xff~rc:\xff"] {
        let refused: Vec<_> = collections(&name.to_vec(), &words())
            .into_iter()
            .filter(|owned| !owned.keys.is_empty())
            .collect();
        let kept: Vec<_> = refused.iter().map(|owned| &owned.owner).collect();
        assert_eq!(kept, [""; 0], "{}", name.escape_ascii());
    }
    let dict: RedisDict<Bytes, Bytes, _> = RedisDict::new(&Deferred, "users");
    for key in [&b"mail~rc:paused"[..], mark, b"\xff~rc:\xff"] {
        assert!(dict.get(key).request.refusal().is_some(), "{}", key.escape_ascii());
        assert!(dict.remove_many([key]).request.refusal().is_some(), "{}", key.escape_ascii());
    }
    let other: RedisDict<Bytes, Bytes, _> = RedisDict::with_prefix(&Deferred, "mail~r");
    assert!(other.insert(&b"c:paused"[..], &b""[..]).request.refusal().is_some());
    assert!(dict.get(&b"~rc"[..]).request.refusal().is_none());
}

#[test]
fn a_key_beside_another_is_in_its_slot() {
    for key in ["users:12", "users:{a}b", "users:}{", "{users}:12", "users:{}", "{}{a}", "a{", ""] {
        for kind in ["load", "sequences"] {
            let beside = side_key_in_slot(key.as_bytes(), kind);
            assert_eq!(key_slot(&beside), key_slot(key.as_bytes()), "{key}");
            assert!(beside.starts_with(key.as_bytes()) && is_side_key(&beside, key.len()));
        }
    }
    assert_eq!(side_key_in_slot(b"{u}:1", "load"), b"{u}:1~rc:load");
    assert_eq!(side_key_in_slot(b"u:1", "load").len(), b"u:1~rc:load:123456".len());
}

#[test]
fn every_slot_can_be_reached() {
    for slot in 0..SLOTS {
        assert_eq!(key_slot(&into_slot(b"~rc:sequences".to_vec(), slot)), slot);
    }
}

#[test]
fn the_mark_is_found_wherever_it_is_but_in_the_prefix() {
    for (key, prefix, expected) in [
        ("mail", 0, false),
        ("mail~rc:dead", 0, true),
        ("~rc:", 0, true),
        ("a~r~rc:", 0, true),
        ("a~rc", 0, false),
        ("a:~:~r:c:", 0, false),
        ("c~rc:cache:7", "c~rc:cache:".len(), false),
        ("c~rc:cache:7~rc:load", "c~rc:cache:".len(), true),
        ("a~rc:dead", "a~r".len(), true),
        ("a~rc:dead", "a~rc:".len(), false),
        ("", 0, false),
        ("a", 7, false),
    ] {
        assert_eq!(is_side_key(key.as_bytes(), prefix), expected, "{key} {prefix}");
    }
}
