//! Types that are their own codec, with the same bytes as in redis-py.

#[cfg(feature = "jiff")]
mod jiff;
mod time;
#[cfg(feature = "uuid")]
mod uuid;

use std::error::Error;
use std::str::{self, FromStr, Utf8Error};

use super::float::write_float;
use super::{Canonical, Codec, CodecError, NonEmpty, Undecodable};

impl Codec for Vec<u8> {
    type Borrowed = [u8];
    type Owned = Self;

    fn encode(value: &[u8], bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bytes.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn as_bytes(value: &[u8]) -> Option<&[u8]> {
        Some(value)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok(bytes.to_vec())
    }

    fn decode_owned(bytes: Vec<u8>) -> Result<Self, Undecodable> {
        Ok(bytes)
    }
}

impl Codec for String {
    type Borrowed = str;
    type Owned = Self;

    fn encode(value: &str, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn as_bytes(value: &str) -> Option<&[u8]> {
        Some(value.as_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        text(bytes).map(Self::from)
    }

    fn decode_owned(bytes: Vec<u8>) -> Result<Self, Undecodable> {
        Self::from_utf8(bytes).map_err(|error| {
            let reason = not_text(error.utf8_error());
            Undecodable::new::<Self>(error.into_bytes(), reason)
        })
    }
}

impl Codec for char {
    type Borrowed = Self;
    type Owned = Self;

    fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bytes.extend_from_slice(value.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        parse(bytes, "one character")
    }
}

/// Writes `1` and `0`; reads `true` and `false` in any case too.
impl Codec for bool {
    type Borrowed = Self;
    type Owned = Self;

    fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        bytes.push(if *value { b'1' } else { b'0' });
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        match bytes {
            b"1" => Ok(true),
            b"0" => Ok(false),
            other if other.eq_ignore_ascii_case(b"true") => Ok(true),
            other if other.eq_ignore_ascii_case(b"false") => Ok(false),
            _ => Err(CodecError::new("not a boolean")),
        }
    }
}

/// Writes the same bytes as Python's `repr`: the shortest digits that read back as the same number.
impl Codec for f64 {
    type Borrowed = Self;
    type Owned = Self;

    fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        write_float(*value, bytes);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        parse(bytes, "a floating-point number")
    }
}

macro_rules! decimal_codecs {
    ($($integer:ty),*) => {$(
        impl Codec for $integer {
            type Borrowed = Self;
            type Owned = Self;

            fn encode(value: &Self, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
                bytes.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes());
                Ok(())
            }

            #[inline]
            fn as_decimal(value: &Self) -> Option<u64> {
                (*value).try_into().ok()
            }

            fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
                parse(bytes, concat!("a decimal number that fits ", stringify!($integer)))
            }
        }

        impl Canonical for $integer {}
        impl NonEmpty for $integer {}
    )*};
}

decimal_codecs!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl Canonical for Vec<u8> {}
impl Canonical for String {}
impl Canonical for char {}
impl Canonical for bool {}
impl Canonical for f64 {}

impl NonEmpty for char {}
impl NonEmpty for bool {}
impl NonEmpty for f64 {}

fn text(bytes: &[u8]) -> Result<&str, CodecError> {
    str::from_utf8(bytes).map_err(not_text)
}

fn not_text(error: Utf8Error) -> CodecError {
    CodecError::new(format!("not UTF-8 from byte {} on", error.valid_up_to())).with_source(error)
}

/// Parses a type of `std`, whose errors never repeat their input.
fn parse<T>(bytes: &[u8], what: &str) -> Result<T, CodecError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let not_this = |error| CodecError::new(format!("not {what}")).with_source(error);
    text(bytes)?.parse().map_err(not_this)
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_decimal_is_what_is_written() {
        fn check<C: Codec<Borrowed = C>>(value: C, expected: Option<u64>) {
            let mut bytes = Vec::new();
            C::encode(&value, &mut bytes).expect("a number is written");
            assert_eq!(C::as_decimal(&value), expected);
            if let Some(number) = expected {
                assert_eq!(bytes, number.to_string().as_bytes());
            }
        }
        check(0_u8, Some(0));
        check(u64::MAX, Some(u64::MAX));
        check(i64::MAX, Some(i64::MAX as u64));
        check(-1_i8, None);
        check(u128::from(u64::MAX), Some(u64::MAX));
        check(u128::from(u64::MAX) + 1, None);
        check(7.0_f64, None);
    }

    #[test]
    fn an_error_does_not_repeat_the_undecodable_bytes() {
        let secret = b"s3cret";
        for error in [
            String::decode(b"s3cret\xff").unwrap_err(),
            u8::decode(secret).unwrap_err(),
            bool::decode(secret).unwrap_err(),
            char::decode(secret).unwrap_err(),
            f64::decode(secret).unwrap_err(),
            SystemTime::decode(secret).unwrap_err(),
        ] {
            let sources =
                iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
            for error in sources {
                assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
            }
        }
    }
}
