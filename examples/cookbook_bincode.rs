// A custom codec for data of bincode 1, whose standard configuration bincode 2 calls legacy.
use std::error::Error;
use std::marker::PhantomData;

use bincode::config::{self, Config};
use redis_collections::{Client, Codec, CodecError, LocalServer, RedisHashDict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

struct Bincode1<T>(PhantomData<fn() -> T>);

/// Bounds the declared lengths, since the bytes are not trusted.
fn configuration() -> impl Config {
    config::legacy().with_limit::<{ 16 << 20 }>()
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Codec for Bincode1<T> {
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bincode::serde::encode_into_std_write(value, bytes, configuration())
            .map(drop)
            .map_err(|_| CodecError::new("bincode has no form for this value"))
    }

    // The error does not repeat the value. A recursive type needs a bound on its depth too.
    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        match bincode::serde::decode_from_slice(bytes, configuration()) {
            Ok((value, read)) if read == bytes.len() => Ok(value),
            _ => Err(CodecError::new("not a value of bincode 1")),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u32,
    name: String,
    email: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;

    // The output of `bincode::serialize` of bincode 1.
    let bytes: RedisHashDict<String, Vec<u8>> = RedisHashDict::new(&client, "users");
    bytes.insert("ann", b"\x07\0\0\0\x03\0\0\0\0\0\0\0Ann\0")?;

    let users: RedisHashDict<String, Bincode1<User>> = bytes.typed();
    let ann = User { id: 7, name: "Ann".into(), email: None };
    assert_eq!(users.get("ann")?, Some(ann));
    Ok(())
}
