//! Pointers, whose bytes are those of what they point to.

use std::borrow::Cow;
use std::sync::Arc;

use crate::codec::{Canonical, Codec, CodecError, NonEmpty, Undecodable};

macro_rules! transparent {
    (
        $(#[$doc:meta])*
        impl[$($parameters:tt)*] $pointer:ty => $codec:ty, $borrowed:ty, $owned:ty, $lent:expr
    ) => {
        $(#[$doc])*
        impl<$($parameters)*> Codec for $pointer {
            type Borrowed = $borrowed;
            type Owned = $owned;

            fn encode(value: &$borrowed, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
                <$codec as Codec>::encode($lent(value), bytes)
            }

            fn as_bytes(value: &$borrowed) -> Option<&[u8]> {
                <$codec as Codec>::as_bytes($lent(value))
            }

            fn as_decimal(value: &$borrowed) -> Option<u64> {
                <$codec as Codec>::as_decimal($lent(value))
            }

            fn decode(bytes: &[u8]) -> Result<$owned, CodecError> {
                <$codec as Codec>::decode(bytes).map(<$owned>::from)
            }

            fn decode_owned(bytes: Vec<u8>) -> Result<$owned, Undecodable> {
                <$codec as Codec>::decode_owned(bytes).map(<$owned>::from)
            }
        }
    };
}

macro_rules! pointers {
    ($($pointer:ident: $sync:ident;)+) => {$(
        transparent! {
            /// Reads what `C` reads into a pointer.
            impl[C: Codec<Owned: $sync>] $pointer<C>
                => C, C::Owned, $pointer<C::Owned>, std::borrow::Borrow::borrow
        }
        transparent! { impl[] $pointer<str> => String, str, Self, std::convert::identity }
        transparent! { impl[] $pointer<[u8]> => Vec<u8>, [u8], Self, std::convert::identity }

        impl<C: Canonical<Owned: $sync>> Canonical for $pointer<C> {}
        impl<C: NonEmpty<Owned: $sync>> NonEmpty for $pointer<C> {}
        impl Canonical for $pointer<str> {}
        impl Canonical for $pointer<[u8]> {}
    )+};
}

pointers! {
    Arc: Sync;
    Box: Send;
}

transparent! {
    /// Reads owned text, and writes any text, as `String` does.
    impl[] Cow<'static, str> => String, str, Self, std::convert::identity
}
transparent! {
    /// Reads owned bytes, and writes any bytes, as `Vec<u8>` does.
    impl[] Cow<'static, [u8]> => Vec<u8>, [u8], Self, std::convert::identity
}

impl Canonical for Cow<'static, str> {}
impl Canonical for Cow<'static, [u8]> {}
