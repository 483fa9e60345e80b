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
/// [`Canonical`](crate::Canonical), since an equal value may be stored in an older version.
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
        match split(bytes) {
            (version, value) if version < T::VERSION => T::upgrade(version, value),
            (version, value) if version == T::VERSION => T::Format::decode(value),
            (version, _) => Err(CodecError::new(format!(
                "version {version}, which is newer than {}, the newest that this program knows",
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

/// Splits off the version, 0 if there is none. One beyond `u32` is `u32::MAX`.
fn split(bytes: &[u8]) -> (u32, &[u8]) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match bytes.split_at(digits) {
        ([b'1'..=b'9', ..], [b':', value @ ..]) => (number(&bytes[..digits]), value),
        _ => (0, bytes),
    }
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0_u32, |number, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_decimal_number_before_a_colon() {
        for (bytes, version, value) in [
            ("1:x", 1, "x"),
            ("20:", 20, ""),
            ("2:3:x", 2, "3:x"),
            ("4294967295:x", u32::MAX, "x"),
            ("99999999999999999999:x", u32::MAX, "x"),
            ("", 0, ""),
            (":x", 0, ":x"),
            ("12", 0, "12"),
            ("0:x", 0, "0:x"),
            ("01:x", 0, "01:x"),
            ("-1:x", 0, "-1:x"),
            ("1 :x", 0, "1 :x"),
            ("{\"1\":2}", 0, "{\"1\":2}"),
        ] {
            assert_eq!(split(bytes.as_bytes()), (version, value.as_bytes()), "{bytes:?}");
        }
    }
}
