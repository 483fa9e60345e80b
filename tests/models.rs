//! Random operations on each structure and on its counterpart in std: both must answer the same.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use redis_collections::{RedisDict, RedisHashDict, RedisList, RedisSet};
use support::kinds::client;

/// A name that no other case has.
fn name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("model {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Few keys, so that operations meet the same ones; any bytes among them.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![]),
        Just(b"*".to_vec()),
        Just(b"a:b".to_vec()),
        (0..4_u8).prop_map(|byte| vec![byte]),
        Just(b"\xff[a]\\".to_vec()),
    ]
}

fn value() -> impl Strategy<Value = i64> {
    prop_oneof![-3..3_i64, any::<i64>()]
}

#[derive(Debug, Clone)]
enum MapStep {
    Insert(Vec<u8>, i64),
    InsertMany(Vec<(Vec<u8>, i64)>),
    Extend(Vec<(Vec<u8>, i64)>),
    ReplaceAll(Vec<(Vec<u8>, i64)>),
    Replace(Vec<u8>, i64),
    SetIfAbsent(Vec<u8>, i64),
    SetIfPresent(Vec<u8>, i64),
    GetOrInsert(Vec<u8>, i64),
    Increment(Vec<u8>, i8),
    Update(Vec<u8>, Option<i64>),
    Get(Vec<u8>),
    GetMany(Vec<Vec<u8>>),
    Remove(Vec<u8>),
    RemoveMany(HashSet<Vec<u8>>),
    Take(Vec<u8>),
    Clear,
}

fn map_step() -> impl Strategy<Value = MapStep> {
    let entries = || vec((key(), value()), 0..5);
    prop_oneof![
        (key(), value()).prop_map(|(k, v)| MapStep::Insert(k, v)),
        entries().prop_map(MapStep::InsertMany),
        entries().prop_map(MapStep::Extend),
        entries().prop_map(MapStep::ReplaceAll),
        (key(), value()).prop_map(|(k, v)| MapStep::Replace(k, v)),
        (key(), value()).prop_map(|(k, v)| MapStep::SetIfAbsent(k, v)),
        (key(), value()).prop_map(|(k, v)| MapStep::SetIfPresent(k, v)),
        (key(), value()).prop_map(|(k, v)| MapStep::GetOrInsert(k, v)),
        (key(), any::<i8>()).prop_map(|(k, v)| MapStep::Increment(k, v)),
        (key(), proptest::option::of(value())).prop_map(|(k, v)| MapStep::Update(k, v)),
        key().prop_map(MapStep::Get),
        vec(key(), 0..5).prop_map(MapStep::GetMany),
        key().prop_map(MapStep::Remove),
        proptest::collection::hash_set(key(), 0..3).prop_map(MapStep::RemoveMany),
        key().prop_map(MapStep::Take),
        Just(MapStep::Clear),
    ]
}

/// Runs the steps on `$dict` and on a `HashMap`. Both kinds of dictionary have the same methods.
macro_rules! compare_with_hash_map {
    ($dict:expr, $steps:expr) => {{
        let (dict, mut map) = ($dict, HashMap::<Vec<u8>, i64>::new());
        for step in $steps {
            let pairs = |entries: &[(Vec<u8>, i64)]| entries.to_vec();
            match step {
                MapStep::Insert(k, v) => {
                    dict.insert(&k, &v)?;
                    map.insert(k, v);
                }
                MapStep::InsertMany(entries) => {
                    dict.insert_many(entries.iter().map(|(k, v)| (k, v)))?;
                    map.extend(pairs(&entries));
                }
                MapStep::Extend(entries) => {
                    dict.extend(entries.iter().map(|(k, v)| (k, v)))?;
                    map.extend(pairs(&entries));
                }
                MapStep::ReplaceAll(entries) => {
                    dict.replace_all(entries.iter().map(|(k, v)| (k, v)))?;
                    map = pairs(&entries).into_iter().collect();
                }
                MapStep::Replace(k, v) => prop_assert_eq!(dict.replace(&k, &v)?, map.insert(k, v)),
                MapStep::SetIfAbsent(k, v) => {
                    prop_assert_eq!(dict.set_if_absent(&k, &v)?, !map.contains_key(&k));
                    map.entry(k).or_insert(v);
                }
                MapStep::SetIfPresent(k, v) => {
                    prop_assert_eq!(dict.set_if_present(&k, &v)?, map.contains_key(&k));
                    map.entry(k).and_modify(|old| *old = v);
                }
                MapStep::GetOrInsert(k, v) => {
                    prop_assert_eq!(dict.get_or_insert(&k, &v)?, *map.entry(k).or_insert(v));
                }
                MapStep::Increment(k, by) => {
                    let sum = map.get(&k).copied().unwrap_or(0).checked_add(by.into());
                    prop_assert_eq!(dict.increment(&k, by.into()).ok(), sum);
                    sum.map(|sum| map.insert(k, sum));
                }
                MapStep::Update(k, v) => {
                    let old = map.get(&k).copied();
                    let mut seen = None;
                    let new = dict.update(&k, |old| {
                        seen = old;
                        v
                    })?;
                    prop_assert_eq!((seen, new), (old, v));
                    match v {
                        Some(v) => map.insert(k, v),
                        None => map.remove(&k),
                    };
                }
                MapStep::Get(k) => {
                    prop_assert_eq!(dict.get(&k)?, map.get(&k).copied());
                    prop_assert_eq!(dict.contains_key(&k)?, map.contains_key(&k));
                }
                MapStep::GetMany(keys) => {
                    let expected: Vec<_> = keys.iter().map(|k| map.get(k).copied()).collect();
                    prop_assert_eq!(dict.get_many(&keys)?, expected);
                }
                MapStep::Remove(k) => prop_assert_eq!(dict.remove(&k)?, map.remove(&k).is_some()),
                MapStep::RemoveMany(keys) => {
                    let removed = keys.iter().filter(|k| map.remove(*k).is_some()).count();
                    prop_assert_eq!(dict.remove_many(&keys)?, removed);
                }
                MapStep::Take(k) => prop_assert_eq!(dict.take(&k)?, map.remove(&k)),
                MapStep::Clear => {
                    dict.clear()?;
                    map.clear();
                }
            }
            prop_assert_eq!(dict.len()?, map.len());
            prop_assert_eq!(dict.is_empty()?, map.is_empty());
        }
        prop_assert_eq!(
            dict.iter().collect::<redis_collections::Result<HashMap<_, _>>>()?,
            map.clone()
        );
        prop_assert_eq!(dict.to_map()?, map);
        dict.clear()?;
    }};
}

#[derive(Debug, Clone)]
enum ListStep {
    PushBack(u8),
    PushFront(u8),
    PushMany(Vec<u8>),
    TryPushBack(u8, usize),
    PushBackEvicting(u8, usize),
    PopBack,
    PopFront,
    PopMany(usize),
    Rotate,
    Set(isize, u8),
    Get(isize),
    Range(isize, isize),
    Trim(isize, isize),
    Remove(u8),
    RemoveFirst(u8),
    InsertBefore(u8, u8),
    Clear,
}

fn list_step() -> impl Strategy<Value = ListStep> {
    let item = || 0..4_u8;
    prop_oneof![
        item().prop_map(ListStep::PushBack),
        item().prop_map(ListStep::PushFront),
        vec(item(), 0..5).prop_map(ListStep::PushMany),
        (item(), 0..6_usize).prop_map(|(i, n)| ListStep::TryPushBack(i, n)),
        (item(), 0..6_usize).prop_map(|(i, n)| ListStep::PushBackEvicting(i, n)),
        Just(ListStep::PopBack),
        Just(ListStep::PopFront),
        (0..4_usize).prop_map(ListStep::PopMany),
        Just(ListStep::Rotate),
        (-6..6_isize, item()).prop_map(|(n, i)| ListStep::Set(n, i)),
        (-6..6_isize).prop_map(ListStep::Get),
        (-6..6_isize, -6..6_isize).prop_map(|(a, b)| ListStep::Range(a, b)),
        (-6..6_isize, -6..6_isize).prop_map(|(a, b)| ListStep::Trim(a, b)),
        item().prop_map(ListStep::Remove),
        item().prop_map(ListStep::RemoveFirst),
        (item(), item()).prop_map(|(a, b)| ListStep::InsertBefore(a, b)),
        Just(ListStep::Clear),
    ]
}

/// The place in a deque that a Redis index means.
fn place(deque: &VecDeque<u8>, index: isize) -> Option<usize> {
    let place = if index < 0 { index + deque.len() as isize } else { index };
    usize::try_from(place).ok().filter(|&place| place < deque.len())
}

/// The items of a slice of Python.
fn part(deque: &VecDeque<u8>, start: isize, end: isize) -> Vec<u8> {
    let length = deque.len() as isize;
    let bound = |index: isize| if index < 0 { index + length } else { index }.clamp(0, length);
    let (start, end) = (bound(start) as usize, bound(end) as usize);
    deque.range(start.min(end)..end).copied().collect()
}

fn compare_with_deque(list: &RedisList<u8>, steps: Vec<ListStep>) -> Result<(), TestCaseError> {
    let mut deque = VecDeque::new();
    for step in steps {
        match step {
            ListStep::PushBack(item) => {
                deque.push_back(item);
                prop_assert_eq!(list.push_back(&item)?, deque.len());
            }
            ListStep::PushFront(item) => {
                deque.push_front(item);
                prop_assert_eq!(list.push_front(&item)?, deque.len());
            }
            ListStep::PushMany(items) => {
                deque.extend(&items);
                let length = if items.is_empty() { 0 } else { deque.len() };
                prop_assert_eq!(list.push_many(&items)?, length);
            }
            ListStep::TryPushBack(item, capacity) => {
                let fits = deque.len() < capacity;
                fits.then(|| deque.push_back(item));
                prop_assert_eq!(list.try_push_back(&item, capacity)?, fits.then_some(deque.len()));
            }
            ListStep::PushBackEvicting(item, capacity) => {
                deque.push_back(item);
                deque.drain(..deque.len().saturating_sub(capacity));
                prop_assert_eq!(list.push_back_evicting(&item, capacity)?, deque.len());
            }
            ListStep::PopBack => prop_assert_eq!(list.pop_back()?, deque.pop_back()),
            ListStep::PopFront => prop_assert_eq!(list.pop_front()?, deque.pop_front()),
            ListStep::PopMany(items) => {
                let expected: Vec<u8> = deque.drain(..items.min(deque.len())).collect();
                let popped: redis_collections::Result<Vec<u8>> =
                    list.pop_many(items)?.into_iter().collect();
                prop_assert_eq!(popped?, expected);
            }
            ListStep::Rotate => {
                let first = deque.pop_front();
                deque.extend(first);
                prop_assert_eq!(list.pop_front_to(list)?, first);
            }
            ListStep::Set(index, item) => {
                let found = place(&deque, index);
                prop_assert_eq!(list.set(index, &item)?, found.is_some());
                if let Some(place) = found {
                    deque[place] = item;
                }
            }
            ListStep::Get(index) => {
                prop_assert_eq!(list.get(index)?, place(&deque, index).map(|place| deque[place]));
            }
            ListStep::Range(start, end) => {
                prop_assert_eq!(list.range(start..end)?, part(&deque, start, end));
            }
            ListStep::Trim(start, end) => {
                list.trim(start..end)?;
                deque = part(&deque, start, end).into();
            }
            ListStep::Remove(item) => {
                let before = deque.len();
                deque.retain(|other| *other != item);
                prop_assert_eq!(list.remove(&item)?, before - deque.len());
            }
            ListStep::RemoveFirst(item) => {
                let place = deque.iter().position(|other| *other == item);
                prop_assert_eq!(list.position(&item)?, place);
                prop_assert_eq!(list.remove_first(&item)?, place.is_some());
                place.map(|place| deque.remove(place));
            }
            ListStep::InsertBefore(next, item) => {
                let place = deque.iter().position(|other| *other == next);
                if let Some(place) = place {
                    deque.insert(place, item);
                }
                let length = place.map(|_| deque.len());
                prop_assert_eq!(list.insert_before(&next, &item)?, length);
            }
            ListStep::Clear => {
                prop_assert_eq!(list.clear()?, !deque.is_empty());
                deque.clear();
            }
        }
        prop_assert_eq!(list.len()?, deque.len());
    }
    prop_assert_eq!(VecDeque::from(list.range(..)?), deque.clone());
    let paged: redis_collections::Result<VecDeque<u8>> = list.iter().page_size(2).collect();
    prop_assert_eq!(paged?, deque);
    list.clear()?;
    Ok(())
}

#[derive(Debug, Clone)]
enum SetStep {
    Insert(u8),
    InsertMany(Vec<u8>),
    Extend(Vec<u8>),
    Remove(u8),
    RemoveMany(HashSet<u8>),
    RemoveEqual(u8),
    Contains(Vec<u8>),
    Pop,
    PopMany(usize),
    Combine(HashSet<u8>),
    Clear,
}

fn set_step() -> impl Strategy<Value = SetStep> {
    let member = || 0..9_u8;
    let members = || proptest::collection::hash_set(0..9_u8, 0..5);
    prop_oneof![
        member().prop_map(SetStep::Insert),
        vec(member(), 0..5).prop_map(SetStep::InsertMany),
        vec(member(), 0..5).prop_map(SetStep::Extend),
        member().prop_map(SetStep::Remove),
        members().prop_map(SetStep::RemoveMany),
        member().prop_map(SetStep::RemoveEqual),
        vec(member(), 0..5).prop_map(SetStep::Contains),
        Just(SetStep::Pop),
        (0..4_usize).prop_map(SetStep::PopMany),
        members().prop_map(SetStep::Combine),
        Just(SetStep::Clear),
    ]
}

fn compare_with_hash_set(set: &RedisSet<u8>, steps: Vec<SetStep>) -> Result<(), TestCaseError> {
    let mut model = HashSet::new();
    let as_set = |members: Vec<u8>| members.into_iter().collect::<HashSet<u8>>();
    for step in steps {
        match step {
            SetStep::Insert(member) => prop_assert_eq!(set.insert(&member)?, model.insert(member)),
            SetStep::InsertMany(members) => {
                let before = model.len();
                model.extend(&members);
                prop_assert_eq!(set.insert_many(&members)?, model.len() - before);
            }
            SetStep::Extend(members) => {
                model.extend(&members);
                set.extend(&members)?;
            }
            SetStep::Remove(member) => prop_assert_eq!(set.remove(&member)?, model.remove(&member)),
            SetStep::RemoveMany(members) => {
                let removed = members.iter().filter(|member| model.remove(*member)).count();
                prop_assert_eq!(set.remove_many(&members)?, removed);
            }
            SetStep::RemoveEqual(member) => {
                prop_assert_eq!(set.contains_equal(&member)?, model.contains(&member));
                prop_assert_eq!(set.remove_equal(&member)?, usize::from(model.remove(&member)));
            }
            SetStep::Contains(members) => {
                let expected: Vec<bool> = members.iter().map(|one| model.contains(one)).collect();
                prop_assert_eq!(set.contains_many(&members)?, expected);
            }
            SetStep::Pop => {
                let popped = set.pop()?;
                prop_assert_eq!(popped.is_none(), model.is_empty());
                prop_assert!(popped.is_none_or(|member| model.remove(&member)));
            }
            SetStep::PopMany(members) => {
                let expected = members.min(model.len());
                let popped: Vec<_> = set.pop_many(members)?;
                prop_assert_eq!(popped.len(), expected);
                for member in popped {
                    prop_assert!(model.remove(&member?));
                }
            }
            SetStep::Combine(members) => {
                let other = RedisSet::new(&client(), name());
                other.insert_many(&members)?;
                prop_assert_eq!(as_set(set.union(&[&other])?), &model | &members);
                prop_assert_eq!(as_set(set.intersection(&[&other])?), &model & &members);
                prop_assert_eq!(as_set(set.difference(&[&other])?), &model - &members);
            }
            SetStep::Clear => {
                prop_assert_eq!(set.clear()?, !model.is_empty());
                model.clear();
            }
        }
        prop_assert_eq!(set.len()?, model.len());
    }
    prop_assert_eq!(set.to_set()?, model);
    set.clear()?;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_dict_is_a_hash_map(steps in vec(map_step(), 1..40)) {
        compare_with_hash_map!(RedisDict::<Vec<u8>, i64>::new(&client(), name()), steps);
    }

    #[test]
    fn a_hash_dict_is_a_hash_map(steps in vec(map_step(), 1..40)) {
        compare_with_hash_map!(RedisHashDict::<Vec<u8>, i64>::new(&client(), name()), steps);
    }

    #[test]
    fn a_list_is_a_deque(steps in vec(list_step(), 1..40)) {
        compare_with_deque(&RedisList::new(&client(), name()), steps)?;
    }

    #[test]
    fn a_set_is_a_hash_set(steps in vec(set_step(), 1..40)) {
        compare_with_hash_set(&RedisSet::new(&client(), name()), steps)?;
    }
}
