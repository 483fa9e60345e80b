//! Every recorded call of pyredis-cache, made again: the same bytes are left, or there is a reason.

mod cache;
mod recorded;
use std::collections::BTreeMap;

use cache::Cache;
use recorded::Replay;
use redis_collections::{
    CacheClient, CachePolicy, Codec, CodecError, Error, Loaded, LocalServer, Pickle, PyJson,
};
use serde_json::Value as Case;
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::python::Python;
use support::servers::query;

on_both_kinds!(every_call_of_pyredis_cache_leaves_the_same_or_has_a_reason);

/// What a case shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// The same keys and values are left, and the same is given back.
    ByteForByte,
    /// The same keys are left, what is in them means the same, and what Python left is read.
    Read,
    /// It is an error here as there, or is loaded anew because it is no data.
    Refused,
    /// It differs, for the reason given.
    Other(&'static str),
}

use Shown::{ByteForByte, Other, Read, Refused};

async fn every_call_of_pyredis_cache_leaves_the_same_or_has_a_reason<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let file: Case = serde_json::from_str(include_str!("../data/wire-vectors.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let mut counts: BTreeMap<Shown, usize> = BTreeMap::new();
    for case in cases.filter(|case| case["seed"] == "pyredis-cache") {
        let () = query(server.url(), "FLUSHALL").unwrap();
        let replay = Replay { server: &server, client: &client, case };
        let shown = match case["codec"].as_str() {
            _ if replay.operation() == "key_generator" => replay.name().await,
            Some("json") => replay.call::<PyJson<Python>>().await,
            Some("raw") => replay.call::<Raw>().await,
            _ => replay.call::<Pickle<Python>>().await,
        };
        *counts.entry(shown).or_default() += 1;
    }
    println!("{counts:#?}");
    assert!([ByteForByte, Read, Refused].iter().all(|shown| counts.contains_key(shown)));
}

/// What redis-py writes as it is: the crate has a codec for each of these types. It reads bytes.
struct Raw;

impl Codec for Raw {
    type Borrowed = Python;
    type Owned = Python;

    fn encode(value: &Python, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        match value {
            Python::Int(int) => i128::encode(int, bytes),
            Python::Float(float) => f64::encode(float, bytes),
            Python::Str(text) => String::encode(text, bytes),
            Python::Bytes(raw) => Vec::<u8>::encode(raw, bytes),
            _ => Err(CodecError::new("no codec of the crate writes this as it is")),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Python, CodecError> {
        Ok(Python::Bytes(bytes.to_vec()))
    }
}

impl<C: Kind> Replay<'_, C> {
    async fn name(&self) -> Shown {
        let args = &self.case["args"];
        let id = match (args["ID"]["t"].as_str(), &args["ID"]["v"]) {
            (Some("bool"), Case::Bool(bool)) => i64::from(*bool).to_string(),
            (_, number) => number.as_str().unwrap().to_owned(),
        };
        let load = |_: String, ()| C::loading(Ok(Loaded::new(0)));
        let name = args["op_name"]["v"].as_str().unwrap();
        let policy = CachePolicy::without_expiry();
        let cache = CacheClient::<String, i64, C>::pyredis_cache(self.client, name, policy, load);
        let Ok(cache) = cache else {
            assert!(matches!(cache, Err(Error::Configuration(_))), "{}", self.case);
            assert!(self.case["raises"].as_str().unwrap().starts_with("LengthError"));
            return Refused;
        };
        ok!(cache.set_value(&id, &1));
        let Some(key) = self.case["returns"]["v"].as_str() else {
            assert_eq!(args["ID"]["t"], "str", "{}", self.case);
            return Other("text is taken for an id if it is a number");
        };
        assert_eq!(self.stored(), [(key.into(), None, b"1".to_vec(), false)]);
        ByteForByte
    }

    async fn call<V: Codec<Borrowed = Python, Owned = Python>>(&self) -> Shown {
        self.restore();
        let before = self.stored();
        let (operation, case) = (self.operation(), self.case);
        let Some(policy) = self.policy() else { return Other("no `Duration` is such a time") };
        let loaded = match operation {
            _ if operation.contains("returns None") => None,
            "get miss raw (returns int)" => Some(Python::Int(5)),
            _ => Some(Python::Dict(vec![
                (Python::Str("id".into()), Python::Int(12)),
                (Python::Str("n".into()), Python::Str("x".into())),
            ])),
        };
        let cache = Cache::<V, C>::new(self.client, case, policy, loaded.clone());
        let args = self.args();
        let result = &case["returns"];
        let result = match result["v"][0][0]["v"] == "result" {
            true => &result["v"][0][1],
            false => result,
        };
        match operation {
            _ if operation.ends_with("wrong type") => {
                let error = match operation {
                    "get wrong type" => cache.get(args).await.unwrap_err(),
                    "set wrong type" => cache.set(args).await.unwrap_err(),
                    _ => cache.delete().await.unwrap_err(),
                };
                assert_eq!(error.code(), Some("WRONGTYPE"), "{case}");
                assert_eq!(self.stored(), before, "{case}");
                match operation {
                    "get wrong type" => Other("Python asks its source, with wrong arguments"),
                    _ => Refused,
                }
            }
            "delete" | "delete missing" | "delete_hash" => {
                let deleted = match operation {
                    "delete_hash" => cache.delete_hash().await.unwrap(),
                    _ => cache.delete().await.unwrap(),
                };
                assert_eq!(i64::from(deleted).to_string(), result["v"], "{case}");
                assert_eq!(self.stored(), [], "{case}");
                ByteForByte
            }
            "get hit empty bytes" => {
                assert_eq!(cache.get(args.clone()).await.unwrap(), loaded);
                assert_eq!(cache.calls(), [args]);
                Other("Python fails until it is deleted, here it is loaded anew")
            }
            _ if operation.starts_with("get hit") => {
                let value = Python::from_literal(result).unwrap();
                assert_eq!(cache.get(args).await.unwrap(), Some(value), "{case}");
                assert!(cache.calls().is_empty(), "{case}");
                assert_eq!(self.stored(), before, "{case}");
                Read
            }
            "set" if case["python_value"].is_object() => self.set(cache).await,
            "set over persistent key" | "set without expiry drops TTL" | "set data falsy 0" => {
                let value = V::decode(&self.bytes("value_hex").unwrap()).unwrap();
                cache.set_value(&value).await.unwrap();
                assert_eq!(self.stored(), self.left(), "{case}");
                ByteForByte
            }
            "get miss, sync_func returns None, no set_func" => {
                assert_eq!(cache.get(args.clone()).await.unwrap(), None);
                assert_eq!((self.stored(), cache.calls()), (vec![], vec![args]), "{case}");
                Other("Python asks its source twice, with wrong arguments")
            }
            _ => {
                let given = match operation.contains("get") {
                    true => cache.get(args.clone()).await.unwrap(),
                    false => cache.set(args.clone()).await.unwrap(),
                };
                assert_eq!((given, cache.calls()), (loaded, vec![args]), "{case}");
                let mut expected = self.left();
                let is_odd = case["args"]["expire_time"]["t"] == "float";
                expected.iter_mut().for_each(|(.., expires)| *expires |= is_odd);
                assert_eq!(self.stored(), expected, "{case}");
                if is_odd { Other("Python keeps it for ever") } else { ByteForByte }
            }
        }
    }

    /// Sets the value of the case, and reads what Python made of it.
    async fn set<V>(&self, cache: Cache<V, C>) -> Shown
    where
        V: Codec<Borrowed = Python, Owned = Python>,
    {
        let case = self.case;
        let value = Python::from_literal(&case["python_value"]);
        let mut shown = Refused;
        match (&value, self.bytes("value_hex")) {
            (Some(value), None) => {
                let error = cache.set_value(value).await.unwrap_err();
                assert!(matches!(error, Error::Encode { .. }), "{error}: {case}");
                return Refused;
            }
            (Some(value), Some(bytes)) => {
                let pickled = case["codec"].as_str().unwrap().starts_with("pickle");
                shown = if pickled { Read } else { ByteForByte };
                match cache.set_value(value).await {
                    Err(Error::Encode { .. }) if pickled => assert_eq!(self.stored(), []),
                    set => {
                        set.unwrap();
                        let (mut stored, expected) = (self.stored(), self.left());
                        if let ([(.., ours, _)], true) = (&mut stored[..], pickled) {
                            let ours = std::mem::replace(ours, bytes);
                            let ours = V::decode(&ours).unwrap();
                            assert_eq!(ours.as_read(), value.as_read(), "{case}");
                        }
                        assert_eq!(stored, expected, "{case}");
                    }
                }
            }
            (None, _) => {}
        }
        let (key, field) = (self.bytes("key_hex").unwrap(), self.bytes("field_hex"));
        let command = if field.is_some() { "HSET" } else { "SET" };
        let words = [Some(key), field, self.bytes("value_hex")];
        self.ask::<redis::Value>(command, words.iter().flatten());
        let given = cache.get(Vec::new()).await.unwrap();
        match value {
            Some(_) => {
                let readback = Python::from_literal(&case["readback"]).unwrap();
                assert_eq!(given.map(|value| value.as_read()), Some(readback.as_read()), "{case}");
                assert!(cache.calls().is_empty(), "{case}");
            }
            None => assert_eq!((cache.undecodable(), cache.calls().len()), (1, 1), "{case}"),
        }
        shown
    }
}
