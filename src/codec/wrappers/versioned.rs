use std::fmt;
use std::io::Write;
use std::marker::PhantomData;

use crate::codec::{Codec, CodecError, NonEmpty};

/// A type whose stored form has changed, as the codec [`Versioned`] needs it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no versions",
    label = "`Versioned<{Self}>` needs `Upgrade` of `{Self}`",
    note = "implement `Upgrade`, which names the current version and reads older ones"
)]
pub trait Upgrade: Sized + Send + 'static {
    /// The codec of the current version, such as `Json<Self>`.
    type Format: Codec<Borrowed = Self, Owned = Self>;

    /// The current version, at least 1. Raise it whenever older programs could not read the new
    /// form.
    const VERSION: u32;

    /// Reads a value of a version older than [`VERSION`](Self::VERSION), and makes a current one of
    /// it.
    ///
    /// Version 0 are values from before the type had versions. Return an error for a version that
    /// is no longer supported.
    fn upgrade(version: u32, bytes: &[u8]) -> Result<Self, CodecError>;
}

/// A type whose values are stored with a version, and are upgraded when they are read.
///
/// ```
/// use redis_collections::{Codec, CodecError, Json, Upgrade, Versioned};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct User {
///     names: Vec<String>,
/// }
///
/// /// Version 1, and the form from before there were versions.
/// #[derive(Deserialize, Serialize)]
/// struct User1 {
///     name: String,
/// }
///
/// impl Upgrade for User {
///     type Format = Json<User>;
///     const VERSION: u32 = 2;
///
///     fn upgrade(version: u32, bytes: &[u8]) -> Result<User, CodecError> {
///         match version {
///             0 | 1 => Ok(User { names: vec![Json::<User1>::decode(bytes)?.name] }),
///             _ => Err(CodecError::new("a version that is no longer supported")),
///         }
///     }
/// }
///
/// let ann = User { names: vec!["Ann".into()] };
/// assert_eq!(Versioned::<User>::decode(br#"{"name":"Ann"}"#)?, ann);
/// assert_eq!(Versioned::<User>::decode(br#"1:{"name":"Ann"}"#)?, ann);
/// assert_eq!(Versioned::<User>::decode(br#"2:{"names":["Ann"]}"#)?, ann);
/// # Ok::<(), CodecError>(())
/// ```
///
/// The bytes are the version in decimal, a colon, and those of the [`Format`](Upgrade::Format).
/// Bytes that do not begin with a version are version 0. A value of version 0 that begins like a
/// version is read as that version: no value of `Json`, `MessagePack` or `Pickle` does, but text
/// may.
///
/// A newer version is an error, so upgrade all readers before a writer. Reading leaves the stored
/// bytes as they are; the next write replaces them. The codec is not
/// [`Canonical`](crate::Canonical), since an equal value may be stored in an older version. As the
/// key of a dictionary it would be looked up in its current version alone: entries with older keys
/// would not be found.
pub struct Versioned<T>(PhantomData<fn() -> T>);

impl<T: Upgrade> Codec for Versioned<T> {
    type Borrowed = T;
    type Owned = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        const { assert!(T::VERSION > 0, "version 0 are values without a version") };
        write!(bytes, "{}:", T::VERSION).map_err(CodecError::from_source)?;
        T::Format::encode(value, bytes)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let (version, value) = split(bytes);
        match version.parse() {
            Ok(version) if version < T::VERSION => T::upgrade(version, value),
            Ok(version) if version == T::VERSION => T::Format::decode(value),
            _ => Err(CodecError::new(format!(
                "{}, which is newer than {}, the newest that this program knows",
                named(version),
                T::VERSION
            ))),
        }
    }
}

impl<T: Upgrade> NonEmpty for Versioned<T> {}

impl<T> fmt::Debug for Versioned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Versioned")
    }
}

/// Splits off the digits of the version, which are `0` if there is none.
fn split(bytes: &[u8]) -> (&str, &[u8]) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(count);
    match (digits, rest, str::from_utf8(digits)) {
        ([b'1'..=b'9', ..], [b':', value @ ..], Ok(version)) => (version, value),
        _ => ("0", bytes),
    }
}

/// Names a version in an error, whatever its length.
fn named(version: &str) -> String {
    match version.len() {
        ..=MOST_DIGITS => format!("version {version}"),
        digits => format!("a version of {digits} digits"),
    }
}

/// Those of a 64-bit number.
const MOST_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_decimal_number_before_a_colon() {
        for (bytes, version, value) in [
            ("1:x", "1", "x"),
            ("20:", "20", ""),
            ("2:3:x", "2", "3:x"),
            ("4294967295:x", "4294967295", "x"),
            ("99999999999999999999:x", "99999999999999999999", "x"),
            ("", "0", ""),
            (":x", "0", ":x"),
            ("12", "0", "12"),
            ("0:x", "0", "0:x"),
            ("01:x", "0", "01:x"),
            ("-1:x", "0", "-1:x"),
            ("1 :x", "0", "1 :x"),
            ("{\"1\":2}", "0", "{\"1\":2}"),
        ] {
            assert_eq!(split(bytes.as_bytes()), (version, value.as_bytes()), "{bytes:?}");
        }
    }
    #[test]
    fn an_error_names_the_version_that_the_value_has() {
        for (version, name) in [
            ("3", "version 3"),
            ("4294967296", "version 4294967296"),
            ("99999999999999999999", "version 99999999999999999999"),
            ("999999999999999999999", "a version of 21 digits"),
        ] {
            let error = Versioned::<Second>::decode(format!("{version}:x").as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name}, which is newer than 2")));
        }
    }

    /// The second version of a text.
    #[derive(Debug)]
    struct Second;

    impl Codec for Second {
        type Borrowed = Self;
        type Owned = Self;

        fn encode(_: &Self, _: &mut Vec<u8>) -> Result<(), CodecError> {
            Ok(())
        }

        fn decode(_: &[u8]) -> Result<Self, CodecError> {
            Ok(Self)
        }
    }

    impl Upgrade for Second {
        type Format = Self;
        const VERSION: u32 = 2;

        fn upgrade(_: u32, _: &[u8]) -> Result<Self, CodecError> {
            Ok(Self)
        }
    }
}
