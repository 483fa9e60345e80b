use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::parse;
use crate::codec::{Canonical, Codec, CodecError, NonEmpty};

/// Writes whole milliseconds since 1970 as a decimal number, negative before that, as `PEXPIREAT`
/// and the ids of streams have them. The rest of a millisecond is dropped, towards the past.
impl Codec for SystemTime {
    type Borrowed = Self;
    type Owned = Self;

    fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let milliseconds = since_1970(*value).ok_or_else(|| CodecError::new(OUT_OF_RANGE))?;
        write!(bytes, "{milliseconds}").map_err(CodecError::from_source)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let milliseconds = parse(bytes, "milliseconds since 1970 as a decimal number")?;
        at(milliseconds).ok_or_else(|| CodecError::new(OUT_OF_RANGE))
    }
}

impl Canonical for SystemTime {}
impl NonEmpty for SystemTime {}

fn since_1970(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).ok(),
        Err(error) => {
            let before = error.duration().as_nanos().div_ceil(NANOSECONDS);
            i64::try_from(before).ok().map(|before| -before)
        }
    }
}

fn at(milliseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    match milliseconds {
        0.. => UNIX_EPOCH.checked_add(distance),
        ..0 => UNIX_EPOCH.checked_sub(distance),
    }
}

/// In a millisecond.
const NANOSECONDS: u128 = 1_000_000;

const OUT_OF_RANGE: &str = "a point in time that does not fit";
