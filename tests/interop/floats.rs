//! Floats, which both sides compare by their bytes, as CPython itself writes them.

use redis_collections::{Client, Codec, LocalServer, PyDict, PyJson, RedisList, RedisSet};

use crate::peer::{Peer, assert_done};

/// A million floats of the binary exponents 40 to 60, where the shortest form is often a tie.
#[test]
fn a_million_floats_are_written_as_cpython_writes_them() {
    const FLOATS: isize = 1_000_000;
    const PAGE: usize = 50_000;
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let count = FLOATS.to_string();
    assert_done(&Peer::run(&server, ["floats", "24", "--count", &count]));
    let bits: RedisList<u64> = RedisList::new(&client, "bits");
    let texts: RedisList<String> = RedisList::new(&client, "texts");
    let mut compared = 0;
    for page in (0..FLOATS).step_by(PAGE) {
        let end = page + PAGE as isize;
        let bits = bits.range(page..end).unwrap();
        let texts = texts.range(page..end).unwrap();
        for (bits, text) in bits.into_iter().zip(texts) {
            let float = f64::from_bits(bits);
            assert_eq!(written::<f64>(&float), text, "{bits:016x}");
            assert_eq!(written::<PyJson<f64>>(&float), text, "{bits:016x}");
            assert_eq!(written::<PyDict<f64>>(&float), format!("f{text}"), "{bits:016x}");
            compared += 1;
        }
    }
    assert_eq!(compared, FLOATS);
    let members: RedisSet<f64> = RedisSet::new(&client, "members");
    for bits in bits.range(..1000).unwrap() {
        assert!(members.contains(&f64::from_bits(bits)).unwrap(), "{bits:016x}");
    }
}

fn written<C: Codec>(value: &C::Borrowed) -> String {
    let mut bytes = Vec::new();
    C::encode(value, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}
