//! The scenarios that both kinds of dictionary share.

/// The contract of these scenarios, on the collection that `$open`, a function of a client and a
/// name, opens.
#[macro_export]
macro_rules! map_scenarios {
    ($open:ident) => {
        $crate::contract! {
            many_entries_are_written_and_read_in_order,
            entries_of_bulk_calls_may_be_owned,
            an_insert_returns_nothing_whether_the_key_is_new_or_not,
            empty_arguments_have_empty_results,
            an_insert_can_be_conditional,
            an_entry_can_be_replaced_or_taken,
            everything_can_be_listed,
            a_large_dict_is_listed_completely,
            a_glob_selects_entries,
            all_entries_are_replaced_at_once,
            an_entry_that_cannot_be_encoded_keeps_all_from_being_set,
            extend_takes_any_number_of_entries,
            some_entry_can_be_popped,
            a_pop_loses_nothing_that_cannot_be_decoded,
        }

        async fn many_entries_are_written_and_read_in_order<C: Kind>(
            client: C,
            name: &'static str,
        ) {
            let dict = $open::<String, u64, C>(&client, name);
            let map = HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
            ok!(dict.insert_many(&map));
            ok!(dict.insert_many([("b", &3), ("c", &4)]));
            assert_eq!(ok!(dict.get_many(["c", "x", "a", "c"])), [Some(4), None, Some(1), Some(4)]);
            assert_eq!(ok!(dict.remove_many(["a", "x", "b"])), 2);
            assert_eq!(ok!(dict.to_map()), HashMap::from([("c".to_owned(), 4)]));
        }

        async fn entries_of_bulk_calls_may_be_owned<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, format!("{{{name}}}"));
            let owned = |key: &str, value| HashMap::from([(key.to_owned(), value)]);
            ok!(dict.insert_many(owned("a", 1)));
            ok!(dict.insert_many([("b", 2), ("c", 3)]));
            assert_eq!(ok!(dict.get_many(["a", "b", "c"])), [Some(1), Some(2), Some(3)]);
            ok!(dict.extend((0..2).map(|number| (format!("{number}"), number))));
            assert_eq!(ok!(dict.get_many(["0", "1"])), [Some(0), Some(1)]);
            ok!(dict.replace_all(vec![("d".to_owned(), &4)]));
            assert_eq!(ok!(dict.to_map()), owned("d", 4));
        }

        async fn an_insert_returns_nothing_whether_the_key_is_new_or_not<C: Kind>(
            client: C,
            name: &'static str,
        ) {
            let dict = $open::<String, u64, C>(&client, name);
            let (new, old): ((), ()) = (ok!(dict.insert("a", &1)), ok!(dict.insert("a", &2)));
            assert_eq!((new, old, ok!(dict.get("a"))), ((), (), Some(2)));
            let other = $open::<String, u64, C>(dict.client(), name);
            assert_eq!(ok!(other.get("a")), Some(2), "its client runs the same operations");
        }

        async fn empty_arguments_have_empty_results<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, name);
            let (no_keys, no_entries): ([&str; 0], [(&str, &u64); 0]) = ([], []);
            ok!(dict.insert_many(no_entries));
            assert_eq!(ok!(dict.get_many(no_keys)), []);
            assert_eq!(ok!(dict.remove_many(no_keys)), 0);
        }

        async fn an_insert_can_be_conditional<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, name);
            assert!(!ok!(dict.set_if_present("a", &1)));
            assert_eq!(ok!(dict.get("a")), None);
            assert!(ok!(dict.set_if_absent("a", &2)));
            assert!(!ok!(dict.set_if_absent("a", &3)));
            assert!(ok!(dict.set_if_present("a", &4)));
            assert_eq!(
                (ok!(dict.get_or_insert("a", &5)), ok!(dict.get_or_insert("b", &6))),
                (4, 6)
            );
            assert_eq!(ok!(dict.get_many(["a", "b"])), [Some(4), Some(6)]);
        }

        async fn an_entry_can_be_replaced_or_taken<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, name);
            assert_eq!((ok!(dict.replace("a", &1)), ok!(dict.replace("a", &2))), (None, Some(1)));
            assert_eq!((ok!(dict.take("a")), ok!(dict.take("a"))), (Some(2), None));
        }

        async fn some_entry_can_be_popped<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<u64, u64, C>(&client, name);
            assert_eq!(ok!(dict.pop()), None);
            let map: HashMap<u64, u64> = (0..30).map(|key| (key, key * 2)).collect();
            ok!(dict.insert_many(&map));
            let mut popped = HashMap::new();
            while let Some((key, value)) = ok!(dict.pop()) {
                assert_eq!(popped.insert(key, value), None, "{key} is popped once");
                assert_eq!(ok!(dict.len()), map.len() - popped.len());
            }
            assert_eq!(popped, map);
        }

        async fn a_pop_loses_nothing_that_cannot_be_decoded<C: Kind>(
            client: C,
            name: &'static str,
        ) {
            let raw = $open::<String, String, C>(&client, name);
            ok!(raw.insert("no number", "none either"));
            let error = settle!(raw.typed::<u64, u64>().pop()).unwrap_err();
            assert_eq!((error.undecoded(), ok!(raw.len())), (Some(&b"no number"[..]), 1));
            let error = settle!(raw.typed::<String, u64>().pop()).unwrap_err();
            assert_eq!((error.undecoded(), ok!(raw.len())), (Some(&b"none either"[..]), 0));
        }

        async fn everything_can_be_listed<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, name);
            ok!(dict.insert_many([("a", &1), ("b", &2)]));
            assert_eq!(sorted!(dict.iter()), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
            assert_eq!(sorted!(dict.keys()), ["a", "b"]);
            assert_eq!(sorted!(dict.values()), [1, 2]);
            ok!(dict.clear());
            assert_eq!(sorted!(dict.keys()), [""; 0]);
        }

        async fn a_large_dict_is_listed_completely<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<u64, u64, C>(&client, name);
            let numbers: Vec<u64> = (0..10_000).collect();
            ok!(dict.extend(numbers.iter().zip(&numbers)));
            let expected: Vec<(u64, u64)> =
                numbers.iter().map(|&number| (number, number)).collect();
            assert_eq!(sorted!(dict.iter()), expected);
            assert_eq!(sorted!(dict.keys().page_size(7000)), numbers);
        }

        async fn a_glob_selects_entries<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<String, u64, C>(&client, name);
            ok!(dict.insert_many([("ann", &1), ("anna", &2), ("bob", &3)]));
            assert_eq!(sorted!(dict.iter_matching("ann?")), [("anna".to_owned(), 2)]);
        }

        async fn all_entries_are_replaced_at_once<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<u64, u64, C>(&client, format!("{{{name}}}"));
            ok!(dict.insert(&1, &1));
            // More than a script of the server can unpack at once.
            let numbers: Vec<u64> = (10..10_000).collect();
            ok!(dict.replace_all(numbers.iter().zip(&numbers)));
            assert_eq!(sorted!(dict.keys()), numbers);
            ok!(dict.replace_all([(&0, &0); 0]));
            assert!(ok!(dict.is_empty()));
        }

        async fn an_entry_that_cannot_be_encoded_keeps_all_from_being_set<C: Kind>(
            client: C,
            name: &'static str,
        ) {
            type Odd = Json<HashMap<(u8, u8), u8>>;
            let dict = $open::<u64, Odd, C>(&client, name);
            let (fine, odd) = (HashMap::new(), HashMap::from([((1, 2), 3)]));
            let entries = |wrong: u64| {
                let value = |key: u64| if key == wrong { odd.clone() } else { fine.clone() };
                (0..1500).map(|key| (key, value(key))).collect::<Vec<_>>()
            };
            for wrong in [3, 1200] {
                let entries = entries(wrong);
                let extended = dict.extend(entries.iter().map(|(key, value)| (key, value)));
                let error = settle!(extended).unwrap_err();
                assert!(matches!(&error, Error::Encode { .. }), "{error}");
                assert_eq!((error.applied(), ok!(dict.len())), (Applied::No, 0));
            }
        }

        async fn extend_takes_any_number_of_entries<C: Kind>(client: C, name: &'static str) {
            let dict = $open::<u64, String, C>(&client, name);
            for size in [0, 1, 999, 1000, 1001, 2500] {
                ok!(dict.clear());
                let map: HashMap<u64, String> =
                    (0..size).map(|key| (key, key.to_string())).collect();
                ok!(dict.extend(&map));
                assert_eq!(ok!(dict.to_map()), map);
            }
        }
    };
}

pub use crate::map_scenarios;
