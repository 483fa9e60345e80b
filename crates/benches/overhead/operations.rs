//! The operations, each by a collection and by hand.

use redis::cmd;

use crate::pair::Pair;
use crate::setting::{Setting, User};

/// What is written and read.
pub(crate) struct Data {
    texts: Vec<(String, String)>,
    users: Vec<(String, User)>,
}

impl Data {
    pub(crate) fn new() -> Self {
        let text = |number| (format!("key {number}"), format!("value {number:020}"));
        let user = |number| (format!("key {number}"), User::aged(number));
        Self { texts: (0..1000).map(text).collect(), users: (0..1000).map(user).collect() }
    }
}

pub(crate) fn all<'a>(setting: &'a Setting, data: &'a Data) -> Vec<Pair<'a>> {
    let mut pairs = on_hashes(setting, data);
    pairs.extend(on_strings(setting, data));
    pairs.extend(on_lists(setting, data));
    pairs.extend(that_publish(setting, data));
    pairs
}

fn on_hashes<'a>(setting: &'a Setting, Data { texts, users }: &'a Data) -> Vec<Pair<'a>> {
    let (key, user) = (&*users[0].0, &users[0].1);
    vec![
        Pair::new(
            "hash insert u64",
            move || setting.hash_of_numbers.insert(key, &36).unwrap(),
            move || setting.query(cmd("HSET").arg("hash of numbers").arg(key).arg(36)),
        ),
        Pair::new(
            "hash get u64",
            move || setting.hash_of_numbers.get(key).unwrap(),
            move || setting.query(cmd("HGET").arg("hash of numbers").arg(key)),
        ),
        Pair::new(
            "hash insert Json",
            move || setting.hash_of_users.insert(key, user).unwrap(),
            move || setting.query(cmd("HSET").arg("hash of users").arg(key).arg(json(user))),
        ),
        Pair::new(
            "hash get Json",
            move || setting.hash_of_users.get(key).unwrap(),
            move || read(setting.query(cmd("HGET").arg("hash of users").arg(key))),
        ),
        Pair::new(
            "hash insert 1,000",
            move || setting.hash_of_texts.insert_many(each(texts)).unwrap(),
            move || setting.query(cmd("HSET").arg("hash of texts").arg(texts)),
        ),
        Pair::new(
            "hash get 1,000",
            move || setting.hash_of_texts.get_many(keys(texts)).unwrap(),
            move || {
                let mut command = cmd("HMGET");
                command.arg("hash of texts");
                keys(texts).for_each(|key| _ = command.arg(key));
                setting.query(&command)
            },
        ),
        Pair::new(
            "hash insert 1,000 Json",
            move || setting.hash_of_users.insert_many(each(users)).unwrap(),
            move || {
                let mut command = cmd("HSET");
                command.arg("hash of users");
                each(users).for_each(|(key, user)| _ = command.arg(key).arg(json(user)));
                setting.query(&command)
            },
        ),
        Pair::new(
            "hash get 1,000 Json",
            move || setting.hash_of_users.get_many(keys(users)).unwrap(),
            move || {
                let mut command = cmd("HMGET");
                command.arg("hash of users");
                keys(users).for_each(|key| _ = command.arg(key));
                setting.query::<Vec<_>>(&command).into_iter().map(read).collect()
            },
        ),
    ]
}

fn on_strings<'a>(setting: &'a Setting, Data { texts, users }: &'a Data) -> Vec<Pair<'a>> {
    let (key, user) = (&*users[0].0, &users[0].1);
    vec![
        Pair::new(
            "dict insert u64",
            move || setting.numbers.insert(key, &36).unwrap(),
            move || setting.query(cmd("SET").arg(format!("numbers:{key}")).arg(36)),
        ),
        Pair::new(
            "dict get u64",
            move || setting.numbers.get(key).unwrap(),
            move || setting.query(cmd("GET").arg(format!("numbers:{key}"))),
        ),
        Pair::new(
            "dict insert Json",
            move || setting.users.insert(key, user).unwrap(),
            move || setting.query(cmd("SET").arg(format!("users:{key}")).arg(json(user))),
        ),
        Pair::new(
            "dict get Json",
            move || setting.users.get(key).unwrap(),
            move || read(setting.query(cmd("GET").arg(format!("users:{key}")))),
        ),
        Pair::new(
            "dict insert 1,000",
            move || setting.texts.insert_many(each(texts)).unwrap(),
            move || {
                let mut command = cmd("MSET");
                each(texts).for_each(|(key, text)| {
                    command.arg(format!("texts:{key}")).arg(text);
                });
                setting.query(&command)
            },
        ),
        Pair::new(
            "dict get 1,000",
            move || setting.texts.get_many(keys(texts)).unwrap(),
            move || {
                let mut command = cmd("MGET");
                keys(texts).for_each(|key| _ = command.arg(format!("texts:{key}")));
                setting.query(&command)
            },
        ),
        Pair::new(
            "dict insert 1,000 Json",
            move || setting.users.insert_many(each(users)).unwrap(),
            move || {
                let mut command = cmd("MSET");
                each(users).for_each(|(key, user)| {
                    command.arg(format!("users:{key}")).arg(json(user));
                });
                setting.query(&command)
            },
        ),
        Pair::new(
            "dict get 1,000 Json",
            move || setting.users.get_many(keys(users)).unwrap(),
            move || {
                let mut command = cmd("MGET");
                keys(users).for_each(|key| _ = command.arg(format!("users:{key}")));
                setting.query::<Vec<_>>(&command).into_iter().map(read).collect()
            },
        ),
    ]
}

fn on_lists<'a>(setting: &'a Setting, Data { users, .. }: &'a Data) -> Vec<Pair<'a>> {
    let (Setting { list_of_texts, list_of_users, .. }, user) = (setting, &users[0].1);
    let fill_texts = move |items| {
        list_of_texts.clear().unwrap();
        list_of_texts.push_many((0..items).map(|_| "a job")).unwrap();
    };
    let fill_users = move |items| {
        list_of_users.clear().unwrap();
        list_of_users.push_many((0..items).map(|_| user)).unwrap();
    };
    vec![
        Pair::prepared(
            "list push String",
            move |_| fill_texts(0),
            move || list_of_texts.push_back("a job").unwrap(),
            move || setting.query(cmd("RPUSH").arg("list of texts").arg("a job")),
        ),
        Pair::prepared(
            "list pop String",
            fill_texts,
            move || list_of_texts.pop_front().unwrap(),
            move || setting.query(cmd("LPOP").arg("list of texts")),
        ),
        Pair::prepared(
            "list push Json",
            move |_| fill_users(0),
            move || list_of_users.push_back(user).unwrap(),
            move || setting.query(cmd("RPUSH").arg("list of users").arg(json(user))),
        ),
        Pair::prepared(
            "list pop Json",
            fill_users,
            move || list_of_users.pop_front().unwrap(),
            move || read(setting.query(cmd("LPOP").arg("list of users"))),
        ),
    ]
}

/// Writes that publish each change, and transactions that do.
fn that_publish<'a>(setting: &'a Setting, Data { texts, .. }: &'a Data) -> Vec<Pair<'a>> {
    let key = &*texts[0].0;
    vec![
        Pair::new(
            "published insert u64",
            move || setting.published.insert(key, &36).unwrap(),
            move || setting.publish_by_hand("numbers by hand:", [(key, "36")].into_iter()),
        ),
        Pair::new(
            "published insert 1,000",
            move || setting.published_texts.insert_many(each(texts)).unwrap(),
            move || {
                let entries = texts.iter().map(|(key, text)| (&**key, &**text));
                setting.publish_by_hand("texts by hand:", entries);
            },
        ),
    ]
}

fn each<V>(entries: &[(String, V)]) -> impl Iterator<Item = (&String, &V)> {
    entries.iter().map(|(key, value)| (key, value))
}

fn keys<V>(entries: &[(String, V)]) -> impl Iterator<Item = &String> {
    entries.iter().map(|(key, _)| key)
}

fn json(user: &User) -> Vec<u8> {
    serde_json::to_vec(user).unwrap()
}

fn read(found: Option<Vec<u8>>) -> Option<User> {
    found.map(|bytes| serde_json::from_slice(&bytes).unwrap())
}
