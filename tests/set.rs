//! The contract of `RedisSet`.

use std::collections::HashSet;

use redis_collections::{Error, Pickle, RedisList, RedisSet};
use support::contract::{contract, ok, settle, sorted};
use support::kinds::Kind;

contract! {
    members_are_added_found_and_removed,
    many_members_at_once,
    members_are_drawn_at_random,
    sets_are_combined_by_the_server,
    a_member_moves_to_another_set_in_one_step,
    a_large_set_is_iterated_completely,
    a_member_that_cannot_be_decoded_is_not_lost,
    equal_members_are_found_whatever_their_bytes,
    equal_pickles_of_python_are_one_member,
    a_key_of_another_type_is_an_error,
}

type Set<C> = RedisSet<String, C>;

/// Two sets that one command can use, in a cluster too.
fn pair<C: Kind>(client: &C, name: &str) -> (Set<C>, Set<C>) {
    let set = |part: &str| RedisSet::new(client, format!("{{{name}}}{part}"));
    (set(""), set("-other"))
}

async fn members_are_added_found_and_removed<C: Kind>(client: C, name: &'static str) {
    let set: Set<C> = RedisSet::new(&client, name);
    assert_eq!((ok!(set.is_empty()), ok!(set.contains("a"))), (true, false));
    assert_eq!((ok!(set.insert("a")), ok!(set.insert("a"))), (true, false));
    assert_eq!((ok!(set.contains("a")), ok!(set.len())), (true, 1));
    assert_eq!((ok!(set.remove("a")), ok!(set.remove("a"))), (true, false));
    ok!(set.insert("b"));
    assert_eq!((ok!(set.clear()), ok!(set.clear())), (true, false));
}

async fn many_members_at_once<C: Kind>(client: C, name: &'static str) {
    let set: RedisSet<u32, C> = RedisSet::new(&client, name);
    assert_eq!(ok!(set.insert_many(&[0; 0])), 0);
    assert!(ok!(set.contains_many(&[0; 0])).is_empty());
    assert_eq!(ok!(set.remove_many(&[0; 0])), 0);
    assert_eq!(ok!(set.insert_many(&[1, 2, 2, 3])), 3);
    assert_eq!(ok!(set.contains_many(&[3, 4, 1])), [true, false, true]);
    assert_eq!(ok!(set.remove_many(&[1, 4, 2])), 2);
    assert_eq!(ok!(set.to_set()), HashSet::from([3]));
}

async fn members_are_drawn_at_random<C: Kind>(client: C, name: &'static str) {
    let set: RedisSet<u32, C> = RedisSet::new(&client, name);
    assert_eq!((ok!(set.random()), ok!(set.pop()), ok!(set.random_many(2))), (None, None, vec![]));
    ok!(set.insert_many(&[1, 2, 3]));
    assert!((1..=3).contains(&ok!(set.random()).unwrap()));
    let drawn: HashSet<u32> = ok!(set.random_many(9)).into_iter().collect();
    assert_eq!((drawn, ok!(set.len())), (HashSet::from([1, 2, 3]), 3));
    let one = ok!(set.pop()).unwrap();
    let popped: HashSet<u32> = ok!(set.pop_many(9)).into_iter().map(Result::unwrap).collect();
    assert_eq!((popped.len(), popped.contains(&one), ok!(set.len())), (2, false, 0));
    assert!(ok!(set.pop_many(9)).is_empty());
}

async fn sets_are_combined_by_the_server<C: Kind>(client: C, name: &'static str) {
    let set = |part: &str| RedisSet::<u32, C>::new(&client, format!("{{{name}}}-{part}"));
    let (one, two, three, target) = (set("one"), set("two"), set("three"), set("target"));
    ok!(one.insert_many(&[1, 2, 3, 4]));
    ok!(two.insert_many(&[2, 3, 4, 5]));
    ok!(three.insert_many(&[3, 4, 6]));
    let as_set = |members: Vec<u32>| members.into_iter().collect::<HashSet<_>>();
    assert_eq!(as_set(ok!(one.union(&[&two, &three]))), HashSet::from([1, 2, 3, 4, 5, 6]));
    assert_eq!(as_set(ok!(one.intersection(&[&two, &three]))), HashSet::from([3, 4]));
    assert_eq!(as_set(ok!(one.difference(&[&two, &three]))), HashSet::from([1]));
    assert_eq!(as_set(ok!(one.union(&[]))), HashSet::from([1, 2, 3, 4]));
    assert_eq!(ok!(one.union_into(&[&two], &target)), 5);
    assert_eq!(ok!(one.intersection_into(&[&two], &target)), 3);
    assert_eq!(ok!(one.difference_into(&[&two], &target)), 1);
    assert_eq!(ok!(target.to_set()), HashSet::from([1]));
}

async fn a_member_moves_to_another_set_in_one_step<C: Kind>(client: C, name: &'static str) {
    let (set, other) = pair(&client, name);
    ok!(set.insert("a"));
    assert_eq!((ok!(set.move_to(&other, "a")), ok!(set.move_to(&other, "a"))), (true, false));
    assert_eq!((ok!(set.len()), ok!(other.len())), (0, 1));
}

async fn a_large_set_is_iterated_completely<C: Kind>(client: C, name: &'static str) {
    let set: RedisSet<String, C> = RedisSet::new(&client, name);
    let mut members: Vec<String> = (0..10_000).map(|number| format!("member {number}")).collect();
    ok!(set.extend(members.iter().cloned()));
    members.sort();
    assert_eq!(sorted!(set.iter()), members);
    assert_eq!(sorted!(set.iter_matching("*r 77")), ["member 77"]);
}

async fn a_member_that_cannot_be_decoded_is_not_lost<C: Kind>(client: C, name: &'static str) {
    let texts: Set<C> = RedisSet::new(&client, name);
    ok!(texts.insert_many(["1", "bad", "3"]));
    let set: RedisSet<u32, C> = texts.typed();
    let found = C::collect(set.iter()).await;
    assert_eq!(found.iter().filter(|member| member.is_ok()).count(), 2);
    assert!(matches!(settle!(set.to_set()).unwrap_err(), Error::Decode { .. }));
    assert_eq!(ok!(set.lenient().random_many(9)).iter().filter(|member| member.is_ok()).count(), 2);
    let popped = ok!(set.pop_many(9));
    assert_eq!(popped.iter().filter(|member| member.is_ok()).count(), 2);
    let error = popped.into_iter().find_map(Result::err).unwrap();
    assert_eq!((error.undecoded(), error.may_have_been_applied()), (Some(&b"bad"[..]), true));
}

/// As a set of pickles is, which two Pythons write with different bytes.
async fn equal_members_are_found_whatever_their_bytes<C: Kind>(client: C, name: &'static str) {
    let texts: Set<C> = RedisSet::new(&client, name);
    ok!(texts.insert_many(["7", "07", "+7", "8", "no number"]));
    let set: RedisSet<u32, C> = texts.typed();
    assert_eq!((ok!(set.contains_equal(&7)), ok!(set.contains_equal(&9))), (true, false));
    assert_eq!((ok!(set.remove_equal(&7)), ok!(set.remove_equal(&7))), (3, 0));
    assert_eq!(sorted!(texts.iter()), ["8", "no number"]);
}

/// Python 2 pickled `("spam",)` in two ways, which were two members of one set.
async fn equal_pickles_of_python_are_one_member<C: Kind>(client: C, name: &'static str) {
    let bytes: RedisSet<Vec<u8>, C> = RedisSet::new(&client, name);
    let pickles: [&[u8]; 2] = [b"(S'spam'\np1\ntp2\n.", b"(S'spam'\ntp1\n."];
    assert_eq!(ok!(bytes.insert_many(pickles)), 2);
    let set: RedisSet<Pickle<(String,)>, C> = bytes.typed();
    ok!(set.insert(&("eggs".to_owned(),)));
    let spam = ("spam".to_owned(),);
    assert!(ok!(set.contains_equal(&spam)));
    assert_eq!((ok!(set.remove_equal(&spam)), ok!(set.len())), (2, 1));
    assert!(!ok!(set.contains_equal(&spam)));
}

async fn a_key_of_another_type_is_an_error<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<String, C> = RedisList::new(&client, name);
    ok!(list.push_back("x"));
    let set: Set<C> = RedisSet::new(&client, name);
    for error in [
        settle!(set.insert("a")).unwrap_err(),
        settle!(set.contains("a")).unwrap_err(),
        settle!(set.pop()).unwrap_err(),
        C::collect(set.iter()).await.remove(0).unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
        assert!(!error.may_have_been_applied());
    }
}
