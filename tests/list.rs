//! The contract of `RedisList`.

use std::time::{Duration, Instant};

use redis_collections::{Error, RedisDict, RedisList, RedisSet, Wait};
use support::contract::{contract, ok, settle, sorted};
use support::kinds::Kind;

contract! {
    items_come_out_in_the_order_of_a_queue,
    many_items_are_pushed_and_popped_at_once,
    items_are_read_and_replaced_by_index,
    ranges_have_the_semantics_of_rust,
    a_list_is_trimmed_to_a_range,
    counts_may_exceed_the_number_of_elements,
    items_are_found_by_their_value,
    an_item_moves_to_another_list_in_one_step,
    a_bounded_list_refuses_or_evicts,
    a_waiting_pop_returns_an_item_or_none_at_its_timeout,
    a_waiting_pop_takes_from_the_first_list_that_has_an_item,
    a_long_list_is_iterated_in_order,
    an_item_that_cannot_be_decoded_is_not_lost,
    a_key_of_another_type_is_an_error,
}

type List<C> = RedisList<String, C>;

/// Two lists that one command can use, in a cluster too.
fn pair<C: Kind>(client: &C, name: &str) -> (List<C>, List<C>) {
    let list = |part: &str| RedisList::new(client, format!("{{{name}}}{part}"));
    (list(""), list("-other"))
}

const SOON: Duration = Duration::from_millis(30);

async fn items_come_out_in_the_order_of_a_queue<C: Kind>(client: C, name: &'static str) {
    let list: List<C> = RedisList::new(&client, name);
    assert_eq!((ok!(list.pop_front()), ok!(list.is_empty())), (None, true));
    assert_eq!((ok!(list.push_back("b")), ok!(list.push_back("c"))), (1, 2));
    assert_eq!(ok!(list.push_front("a")), 3);
    assert_eq!(ok!(list.pop_front()).as_deref(), Some("a"));
    assert_eq!(ok!(list.pop_back()).as_deref(), Some("c"));
    assert_eq!((ok!(list.len()), ok!(list.clear()), ok!(list.clear())), (1, true, false));
}

async fn many_items_are_pushed_and_popped_at_once<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<u32, C> = RedisList::new(&client, name);
    assert_eq!(ok!(list.push_many(&[0; 0])), 0, "no items");
    assert_eq!(ok!(list.push_many(&[1, 2, 3])), 3);
    let popped = ok!(list.pop_many(2)).into_iter().collect::<Result<Vec<_>, _>>();
    assert_eq!(popped.unwrap(), [1, 2]);
    assert_eq!((ok!(list.pop_many(0)).len(), ok!(list.pop_many(9)).len()), (0, 1));
    assert_eq!(ok!(list.pop_many(9)).len(), 0);
}

async fn items_are_read_and_replaced_by_index<C: Kind>(client: C, name: &'static str) {
    let list: List<C> = RedisList::new(&client, name);
    assert!(!ok!(list.set(0, "x")), "there is no list");
    ok!(list.push_many(["a", "b"]));
    assert_eq!(ok!(list.get(0)).as_deref(), Some("a"));
    assert_eq!(ok!(list.get(-1)).as_deref(), Some("b"));
    assert_eq!(ok!(list.get(2)), None);
    assert_eq!((ok!(list.set(-1, "c")), ok!(list.set(2, "d"))), (true, false));
    assert_eq!(ok!(list.range(..)), ["a", "c"]);
}

async fn ranges_have_the_semantics_of_rust<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<u32, C> = RedisList::new(&client, name);
    ok!(list.push_many(&[0, 1, 2, 3]));
    assert_eq!(ok!(list.range(1..3)), [1, 2]);
    assert_eq!(ok!(list.range(1..=3)), [1, 2, 3]);
    assert_eq!(ok!(list.range(2..)), [2, 3]);
    assert_eq!(ok!(list.range(..99)), [0, 1, 2, 3]);
    assert_eq!((ok!(list.range(-2..)), ok!(list.range(..-1))), (vec![2, 3], vec![0, 1, 2]));
    assert_eq!((ok!(list.range(-3..=-2)), ok!(list.range(-9..2))), (vec![1, 2], vec![0, 1]));
    assert_eq!((ok!(list.range(-2..0)), ok!(list.range(..-9))), (vec![], vec![]));
    assert_eq!(
        (ok!(list.range(..0)), ok!(list.range(2..2)), ok!(list.range(9..))),
        (vec![], vec![], vec![])
    );
}

async fn a_list_is_trimmed_to_a_range<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<u32, C> = RedisList::new(&client, name);
    ok!(list.push_many(&[0, 1, 2, 3]));
    ok!(list.trim(1..3));
    assert_eq!(ok!(list.range(..)), [1, 2]);
    ok!(list.push_many(&[3, 4]));
    ok!(list.trim(-3..-1));
    assert_eq!(ok!(list.range(..)), [2, 3]);
    ok!(list.trim(..0));
    assert_eq!(ok!(list.len()), 0);
    let set: RedisSet<u32, C> = RedisSet::new(&client, name);
    ok!(set.insert(&1));
    for error in [settle!(list.trim(..0)), settle!(list.trim(..1))].map(Result::unwrap_err) {
        assert_eq!((error.code(), ok!(set.len())), (Some("WRONGTYPE"), 1), "{error}");
    }
}

async fn counts_may_exceed_the_number_of_elements<C: Kind>(client: C, name: &'static str) {
    let (list, set) = (RedisList::<u32, C>::new(&client, name), format!("{name}-set"));
    ok!(list.push_many(&[0, 1, 2]));
    assert_eq!(sorted!(list.iter().page_size(usize::MAX)), [0, 1, 2]);
    assert_eq!(ok!(list.pop_many(usize::MAX)).len(), 3);
    let set: RedisSet<u32, C> = RedisSet::new(&client, set);
    ok!(set.insert_many(&[0, 1, 2]));
    assert_eq!(sorted!(set.iter().page_size(usize::MAX)), [0, 1, 2]);
    assert_eq!(ok!(set.random_many(usize::MAX)).len(), 3);
    assert_eq!(ok!(set.pop_many(usize::MAX)).len(), 3);
    let dict: RedisDict<u32, u32, C> = RedisDict::new(&client, name);
    ok!(dict.insert(&1, &2));
    assert_eq!(sorted!(dict.iter().page_size(usize::MAX)), [(1, 2)]);
}

async fn items_are_found_by_their_value<C: Kind>(client: C, name: &'static str) {
    let list: List<C> = RedisList::new(&client, name);
    ok!(list.push_many(["a", "b", "a", "c", "a"]));
    assert_eq!((ok!(list.position("c")), ok!(list.position("x"))), (Some(3), None));
    assert_eq!(
        (ok!(list.insert_before("c", "B")), ok!(list.insert_after("c", "D"))),
        (Some(6), Some(7))
    );
    assert_eq!((ok!(list.insert_before("x", "y")), ok!(list.insert_after("x", "y"))), (None, None));
    assert_eq!((ok!(list.remove_first("a")), ok!(list.remove_first("x"))), (true, false));
    assert_eq!(ok!(list.range(..)), ["b", "a", "B", "c", "D", "a"]);
    assert_eq!((ok!(list.remove("a")), ok!(list.remove("a"))), (2, 0));
}

async fn an_item_moves_to_another_list_in_one_step<C: Kind>(client: C, name: &'static str) {
    let (list, other) = pair(&client, name);
    ok!(list.push_many(["a", "b"]));
    assert_eq!(ok!(list.pop_front_to(&other)).as_deref(), Some("a"));
    assert_eq!(ok!(list.wait_pop_front_to(&other, SOON)).as_deref(), Some("b"));
    assert_eq!(
        (ok!(list.pop_front_to(&other)), ok!(list.wait_pop_front_to(&other, SOON))),
        (None, None)
    );
    assert_eq!(ok!(other.range(..)), ["a", "b"]);
}

async fn a_bounded_list_refuses_or_evicts<C: Kind>(client: C, name: &'static str) {
    let list: List<C> = RedisList::new(&client, name);
    assert_eq!(
        (ok!(list.try_push_back("a", 2)), ok!(list.try_push_back("b", 2))),
        (Some(1), Some(2))
    );
    assert_eq!(ok!(list.try_push_back("c", 2)), None);
    assert_eq!(
        (ok!(list.push_back_evicting("d", 3)), ok!(list.push_back_evicting("e", 2))),
        (3, 2)
    );
    assert_eq!(ok!(list.range(..)), ["d", "e"]);
}

async fn a_waiting_pop_returns_an_item_or_none_at_its_timeout<C: Kind>(
    client: C,
    name: &'static str,
) {
    let list: List<C> = RedisList::new(&client, name);
    ok!(list.push_many(["a", "b", "c"]));
    assert_eq!(ok!(list.wait_pop_front(Wait::Forever)).as_deref(), Some("a"));
    assert_eq!(ok!(list.wait_pop_back(Duration::MAX)).as_deref(), Some("c"));
    assert_eq!(ok!(list.wait_pop_front(Duration::ZERO)).as_deref(), Some("b"));
    let started = Instant::now();
    assert_eq!((ok!(list.wait_pop_front(SOON)), ok!(list.wait_pop_back(SOON))), (None, None));
    assert!(started.elapsed() >= 2 * SOON);
    assert_eq!(ok!(list.wait_pop_front(Duration::ZERO)), None, "zero is not for ever");
}

async fn a_waiting_pop_takes_from_the_first_list_that_has_an_item<C: Kind>(
    client: C,
    name: &'static str,
) {
    let (list, other) = pair(&client, name);
    ok!(list.push_back("a"));
    ok!(other.push_many(["b", "c"]));
    assert_eq!(ok!(other.wait_pop_any(&[&list], SOON)), Some((0, "b".to_owned())));
    assert_eq!(ok!(list.wait_pop_any(&[&other], SOON)), Some((0, "a".to_owned())));
    assert_eq!(ok!(list.wait_pop_any(&[&other], SOON)), Some((1, "c".to_owned())));
    assert_eq!(ok!(list.wait_pop_any(&[&other], SOON)), None);
}

async fn a_long_list_is_iterated_in_order<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<u32, C> = RedisList::new(&client, name);
    for length in [0, 1, 999, 1000, 1001, 2000, 2001] {
        ok!(list.clear());
        let items: Vec<u32> = (0..length).collect();
        ok!(list.push_many(&items));
        assert_eq!(sorted!(list.iter()), items);
    }
}

async fn an_item_that_cannot_be_decoded_is_not_lost<C: Kind>(client: C, name: &'static str) {
    let texts: List<C> = RedisList::new(&client, name);
    let list: RedisList<u32, C> = texts.typed();
    ok!(texts.push_many(["1", "bad", "3", "worse", "bad", "6"]));

    let error = settle!(list.range(..)).unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }) && !error.may_have_been_applied(), "{error}");
    assert_eq!(ok!(list.lenient().range(..)).iter().filter(|item| item.is_ok()).count(), 3);
    assert_eq!(C::collect(list.iter()).await.iter().filter(|item| item.is_ok()).count(), 3);

    let popped = ok!(list.pop_many(3));
    assert_eq!((popped[0].as_ref().unwrap(), popped[2].as_ref().unwrap()), (&1, &3));
    assert_eq!(popped[1].as_ref().unwrap_err().undecoded(), Some(&b"bad"[..]));

    let error = settle!(list.pop_front()).unwrap_err();
    assert_eq!(error.undecoded(), Some(&b"worse"[..]));
    assert!(error.may_have_been_applied(), "it is gone from the list");
    let error = settle!(list.wait_pop_front(SOON)).unwrap_err();
    assert_eq!(error.undecoded(), Some(&b"bad"[..]));
    assert_eq!(ok!(list.pop_front()), Some(6));
}

async fn a_key_of_another_type_is_an_error<C: Kind>(client: C, name: &'static str) {
    let set: RedisSet<String, C> = RedisSet::new(&client, name);
    ok!(set.insert("x"));
    let list: List<C> = RedisList::new(&client, name);
    for error in [
        settle!(list.push_back("a")).unwrap_err(),
        settle!(list.pop_front()).unwrap_err(),
        settle!(list.set(0, "a")).unwrap_err(),
        settle!(list.try_push_back("a", 9)).unwrap_err(),
        settle!(list.wait_pop_front(SOON)).unwrap_err(),
        C::collect(list.iter()).await.remove(0).unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
        assert!(!error.may_have_been_applied());
    }
}
