//! Reads values within bounds.

mod access;

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::leaves::Leaf;
use super::levels::Levels;
use super::{declared, outline, watching};
use crate::codec::MAX_DEPTH;

/// Reads a value from `length` bytes, each of which is at most one element.
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(in crate::codec) fn read<'de, T, D>(length: usize, deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let limited = Limited::new(deserializer, Levels::new(MAX_DEPTH), false);
    declared::within(length, declared::More::NONE, || T::deserialize(limited))
}

/// A `T` that is read within bounds, inside of [`within`](declared::within).
#[cfg(feature = "bincode")]
pub(in crate::codec) struct Bounded<T>(pub(in crate::codec) T);

#[cfg(feature = "bincode")]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let levels = Levels::new(MAX_DEPTH);
        T::deserialize(Limited::new(deserializer, levels, outline::is_watched())).map(Bounded)
    }
}

/// A part of serde's reading, kept within bounds.
struct Limited<I> {
    inner: I,
    levels: Levels,
    /// Whether it is compared with an outline.
    watched: bool,
    /// Whether the type reads an `f32`.
    narrow: bool,
    /// Whether the number of elements comes from the bytes rather than from the type.
    counts: bool,
    /// The names of the fields that the type reads.
    names: &'static [&'static str],
}

impl<I> Limited<I> {
    fn new(inner: I, levels: Levels, watched: bool) -> Self {
        Limited { inner, levels, watched, narrow: false, counts: false, names: &[] }
    }

    fn inside<J>(&self, inner: J) -> Limited<J> {
        Limited::new(inner, self.levels, self.watched)
    }

    fn leaf(&self, leaf: Leaf) {
        if self.watched {
            outline::note(leaf);
        }
    }

    fn wrapped<J, E: Error>(&self, inner: J) -> Result<Limited<J>, E> {
        Ok(Limited { levels: self.levels.wrapped(E::custom)?, ..self.inside(inner) })
    }

    fn deeper<J, E: Error>(&self, inner: J) -> Result<Limited<J>, E> {
        let levels = self.levels.deeper(E::custom)?;
        Ok(Limited { levels, counts: self.counts, names: self.names, ..self.inside(inner) })
    }

    fn count<T, E: Error>(&self, element: Option<T>) -> Result<Option<T>, E> {
        if self.counts && element.is_some() && !declared::count(size_of::<T>()) {
            Err(E::custom(declared::TOO_MANY))
        } else {
            Ok(element)
        }
    }
}

impl<'de, D: Deserializer<'de>> Limited<D> {
    /// Returns whether the format distinguishes bytes from sequences, as the human-readable ones
    /// here do. In those, bytes are not read as a sequence, which would be written as numbers.
    fn tells_bytes(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_to_deserializer {
    ($($method:ident($($argument:ident: $type:ty),*) $(, $leaf:ident)?;)+) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $type)*, visitor: V) -> Result<V::Value, D::Error> {
            $(self.leaf(Leaf::$leaf);)?
            let visitor = self.inside(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Limited<D> {
    type Error = D::Error;

    forward_to_deserializer! {
        deserialize_any();
        deserialize_bool(), Byte;
        deserialize_i8(), SignedByte;
        deserialize_i16(), Signed;
        deserialize_i32(), Signed;
        deserialize_i64(), Signed;
        deserialize_i128(), Signed;
        deserialize_u8(), Byte;
        deserialize_u16(), Unsigned;
        deserialize_u32(), Unsigned;
        deserialize_u64(), Unsigned;
        deserialize_u128(), Unsigned;
        deserialize_f64(), Float;
        deserialize_char(), Char;
        deserialize_str(), Sequence;
        deserialize_bytes(), Sequence;
        deserialize_option(), Option;
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    /// Borrowed, so that no memory is reserved for a declared length.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    /// Borrowed, like text.
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        self.leaf(Leaf::Narrow);
        let visitor = Limited { narrow: true, ..self.inside(inner) };
        self.inner.deserialize_f32(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        self.leaf(Leaf::Sequence);
        let visitor = Limited { counts: true, ..self.inside(inner) };
        if self.tells_bytes() {
            self.inner.deserialize_any(visitor)
        } else {
            self.inner.deserialize_seq(visitor)
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        inner: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.inside(inner);
        if self.tells_bytes() {
            self.inner.deserialize_any(visitor)
        } else {
            self.inner.deserialize_tuple(length, visitor)
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        inner: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.inside(inner);
        if self.tells_bytes() {
            self.inner.deserialize_any(visitor)
        } else {
            self.inner.deserialize_tuple_struct(name, length, visitor)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        self.leaf(Leaf::Map);
        let visitor = Limited { counts: true, ..self.inside(inner) };
        self.inner.deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        inner: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Limited { names, ..self.inside(inner) };
        self.inner.deserialize_struct(name, names, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_to_visitor {
    ($($method:ident($type:ty);)+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

macro_rules! forward_bytes_to_visitor {
    ($($method:ident($type:ty);)+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            if self.watched {
                outline::note_bytes(value.len());
            }
            self.inner.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Limited<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_to_visitor! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_char(char);
    }

    forward_bytes_to_visitor! {
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if self.narrow && value.is_finite() && (value as f32).is_infinite() {
            Err(E::invalid_value(Unexpected::Float(value), &self.inner))
        } else {
            self.inner.visit_f64(value)
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.wrapped(inner)?;
        self.inner.visit_some(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.wrapped(inner)?;
        self.inner.visit_newtype_struct(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper(access)?;
        if self.watched && !self.counts {
            watching::visit_items(self.inner, access.names, access)
        } else {
            self.inner.visit_seq(access)
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper(access)?;
        self.inner.visit_map(access)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.inside(access);
        self.inner.visit_enum(access)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Limited<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let inner = self.inside(inner);
        self.inner.deserialize(inner)
    }
}
