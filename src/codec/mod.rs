//! Codecs: how values and keys are converted to and from bytes.

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(any(feature = "bincode", feature = "json", feature = "msgpack", feature = "pickle"))]
mod bounded;
mod error;
pub(crate) mod float;
#[cfg(feature = "json")]
mod json;
mod lenient;
#[cfg(any(feature = "bincode", feature = "json", feature = "msgpack", feature = "pickle"))]
mod marker;
#[cfg(any(feature = "bincode", feature = "json", feature = "msgpack", feature = "pickle"))]
mod message;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "pickle")]
mod pickle;
#[cfg(any(feature = "bincode", feature = "msgpack"))]
mod portable;
#[cfg(feature = "pydict")]
mod py_dict;
#[cfg(feature = "json")]
mod py_json;
#[cfg(any(feature = "json", feature = "pickle"))]
mod python;
mod raw;
mod wrappers;

#[cfg(feature = "bincode")]
pub use self::bincode::Bincode;
pub use self::error::CodecError;
#[cfg(feature = "json")]
pub use json::Json;
pub use lenient::{Lenient, Undecodable};
#[cfg(feature = "msgpack")]
pub use msgpack::MessagePack;
#[cfg(feature = "pickle")]
pub use pickle::Pickle;
#[cfg(feature = "pydict")]
pub use py_dict::PyDict;
#[cfg(feature = "json")]
pub use py_json::PyJson;
#[cfg(feature = "zstd")]
pub use wrappers::Zstd;
#[cfg(feature = "encryption")]
pub use wrappers::{Encrypted, EncryptionKeys, KeyRing};
pub use wrappers::{Upgrade, Versioned};

use std::any::type_name;
use std::borrow::Borrow;

/// A codec: how a type is written to bytes and read back.
///
/// A codec is a type, never a value: a collection names it as a parameter and stores nothing for
/// it. `String`, `Vec<u8>`, the integers, `f64`, `bool`, `char` and `SystemTime` are their own
/// codecs, written as Redis tools write them: `RedisDict<String, u64>` holds decimal text. So are
/// `Uuid` (feature `uuid`) and the types of `jiff` (feature `jiff`). A serde type is named with its
/// format: `RedisDict<String, Json<User>>`.
///
/// `Arc<C>` and `Box<C>` write the bytes of their codec `C` and read into an `Arc` or a `Box`.
/// `Arc<str>`, `Box<[u8]>`, `Cow<'static, str>` and the like do so with the bytes of `String` and
/// `Vec<u8>`. `Option<C>` writes `None` as an empty value, if `C` is [`NonEmpty`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    label = "this type does not implement `Codec`",
    note = "for text name `String` and for bytes `Vec<u8>`, which are passed as `str` and `[u8]`",
    note = "for a serde type that owns its data name a format, as in `Json<_>` or `MessagePack<_>`",
    note = "`Uuid` is one with the feature `uuid` of this crate, the types of jiff with `jiff`",
    note = "for a format of your own implement `Codec` on a marker type"
)]
pub trait Codec: Sized + 'static {
    /// The type that the caller passes by reference for writing.
    type Borrowed: ?Sized;
    /// The type that reading returns.
    type Owned: Borrow<Self::Borrowed> + Send + 'static;

    /// Appends `value` to `bytes`. Must leave the existing content unchanged.
    fn encode(value: &Self::Borrowed, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Returns the bytes that [`encode`](Self::encode) appends, if `value` consists of just these
    /// bytes.
    fn as_bytes(_value: &Self::Borrowed) -> Option<&[u8]> {
        None
    }

    /// Returns the number whose decimal digits [`encode`](Self::encode) appends, without leading
    /// zeros, if it appends those of a `u64`. A near cache then looks `value` up without encoding
    /// it.
    fn as_decimal(_value: &Self::Borrowed) -> Option<u64> {
        None
    }

    /// Reads one value that fills all of `bytes`.
    ///
    /// The bytes may come from an untrusted writer: this must not panic, nor recurse without a
    /// bound, nor allocate much more than `bytes` justifies. `Zstd` allocates up to its own bound.
    fn decode(bytes: &[u8]) -> Result<Self::Owned, CodecError>;

    /// Like [`decode`](Self::decode), for bytes that can become the value. On failure they are
    /// returned in the error.
    fn decode_owned(bytes: Vec<u8>) -> Result<Self::Owned, Undecodable> {
        Self::decode(&bytes).map_err(|reason| Undecodable::new::<Self>(bytes, reason))
    }
}

/// A codec that writes equal values as equal bytes, so that the server can compare them.
///
/// Serde formats are canonical for types that serialize equal values alike, which a type that
/// contains a `HashMap` does not. Pickles are not canonical, so this does not compile:
///
/// ```compile_fail
/// # #[cfg(feature = "pickle")]
/// fn is_known(names: &redis_collections::RedisSet<redis_collections::Pickle<String>>) -> bool {
///     names.contains(&"ann".to_owned()).unwrap()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` may write equal values as different bytes",
    label = "the server cannot find a value by its bytes",
    note = "on a `RedisSet` use `contains_equal` and `remove_equal`, which decode the members"
)]
pub trait Canonical: Codec {}

/// A codec that writes at least one byte for each value, so that an empty value is free to stand
/// for the `None` of an `Option<C>`.
///
/// Text and bytes may be empty, so this does not compile:
///
/// ```compile_fail
/// # let server = redis_collections::LocalServer::start().unwrap();
/// # let client = redis_collections::Client::open(server.url()).unwrap();
/// use redis_collections::RedisDict;
///
/// let names: RedisDict<u64, Option<String>> = RedisDict::new(&client, "names");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` may write a value as no bytes at all",
    label = "`None` could not be distinguished from such a value",
    note = "leave the entry out in place of `None`, or name a format, as in `Json<Option<_>>`"
)]
pub trait NonEmpty: Codec {}

/// Shortens the name of a codec: `MessagePack<User>` rather than
/// `redis_collections::codec::msgpack::MessagePack<my::User>`.
pub(crate) fn short_name<C: ?Sized>() -> String {
    let mut short = String::new();
    for part in type_name::<C>().split_inclusive(['<', '>', ',', ' ', '(', ')', '[', ']', ';']) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// How deeply decoded values may nest.
#[cfg(any(feature = "bincode", feature = "json", feature = "msgpack", feature = "pickle"))]
const MAX_DEPTH: usize = 128;
