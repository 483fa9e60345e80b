//! Bounds that formats lack: how deep a value nests, how many elements the bytes declare, and how large a
//! number an `f32` takes.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

thread_local! {
    /// How many elements the value that this thread decodes may still have.
    static ELEMENTS_LEFT: Cell<usize> = const { Cell::new(0) };
}

/// A `T` that is decoded within bounds.
#[cfg(feature = "bincode")]
pub(super) struct Bounded<T>(pub(super) T);

/// A `T` from a format with bounds of its own, none of whose `f32` is infinite where the number that is
/// stored is not.
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(super) struct Narrowed<T>(pub(super) T);

/// Decodes with `decode`, which must go through [`Bounded`], a value whose sequences and maps have at
/// most `elements` in all.
pub(super) fn with_elements<T>(elements: usize, decode: impl FnOnce() -> T) -> T {
    let before = ELEMENTS_LEFT.replace(elements);
    let decoded = decode();
    ELEMENTS_LEFT.set(before);
    decoded
}

#[cfg(feature = "bincode")]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Limited::new(deserializer, super::MAX_DEPTH)).map(Bounded)
    }
}

#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Narrowed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let decode = || T::deserialize(Limited::new(deserializer, usize::MAX)).map(Narrowed);
        with_elements(usize::MAX, decode)
    }
}

/// Something of serde that may go `depth` levels deeper.
struct Limited<I> {
    inner: I,
    depth: usize,
    /// Whether an `f32` is asked for.
    narrow: bool,
    /// Whether the bytes say how many elements there are, and not the type.
    counts: bool,
}

impl<I> Limited<I> {
    fn new(inner: I, depth: usize) -> Self {
        Limited { inner, depth, narrow: false, counts: false }
    }

    fn deeper<J, E: Error>(&self, inner: J) -> Result<Limited<J>, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Limited { counts: self.counts, ..Limited::new(inner, depth) }),
            None => Err(E::custom(TOO_DEEP)),
        }
    }

    /// Each element that the bytes declare has a byte of its own, unless it is of no size.
    fn count<T, E: Error>(&self, element: Option<T>) -> Result<Option<T>, E> {
        if self.counts && element.is_some() {
            let left = ELEMENTS_LEFT.get().checked_sub(1).ok_or_else(|| E::custom(TOO_MANY))?;
            ELEMENTS_LEFT.set(left);
        }
        Ok(element)
    }
}

pub(super) const TOO_DEEP: &str = "nested too deep";
pub(super) const TOO_MANY: &str = "too many elements";

impl<'de, D: Deserializer<'de>> Limited<D> {
    /// Whether the format tells bytes from sequences, as those for humans do here. Then bytes are not read
    /// as a sequence, which would be written as numbers.
    fn tells_bytes(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_to_deserializer {
    ($($method:ident($($argument:ident: $type:ty),*);)+) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $type)*, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Limited::new(visitor, self.depth))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Limited<D> {
    type Error = D::Error;

    forward_to_deserializer! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_f32<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        let visitor = Limited { narrow: true, ..Limited::new(inner, self.depth) };
        self.inner.deserialize_f32(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        let visitor = Limited { counts: true, ..Limited::new(inner, self.depth) };
        match self.tells_bytes() {
            true => self.inner.deserialize_any(visitor),
            false => self.inner.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        inner: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Limited::new(inner, self.depth);
        match self.tells_bytes() {
            true => self.inner.deserialize_any(visitor),
            false => self.inner.deserialize_tuple(length, visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        inner: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Limited::new(inner, self.depth);
        match self.tells_bytes() {
            true => self.inner.deserialize_any(visitor),
            false => self.inner.deserialize_tuple_struct(name, length, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, inner: V) -> Result<V::Value, D::Error> {
        let visitor = Limited { counts: true, ..Limited::new(inner, self.depth) };
        self.inner.deserialize_map(visitor)
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
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        match self.narrow && value.is_finite() && (value as f32).is_infinite() {
            true => Err(E::invalid_value(Unexpected::Float(value), &self.inner)),
            false => self.inner.visit_f64(value),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.deeper(inner)?;
        self.inner.visit_some(inner)
    }

    /// Not a level of its own: a type cannot contain itself by newtypes alone.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Limited::new(inner, self.depth))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper(access)?;
        self.inner.visit_seq(access)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper(access)?;
        self.inner.visit_map(access)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper(access)?;
        self.inner.visit_enum(access)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Limited<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Limited::new(inner, self.depth))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Limited<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(Limited::new(seed, self.depth))?;
        self.count(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Limited<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Limited::new(seed, self.depth))?;
        self.count(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Limited::new(seed, self.depth))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Limited<A> {
    type Error = A::Error;
    type Variant = Limited<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let depth = self.depth;
        let (value, inner) = self.inner.variant_seed(Limited::new(seed, depth))?;
        Ok((value, Limited::new(inner, depth)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Limited<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Limited::new(seed, self.depth))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, Limited::new(visitor, self.depth))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Limited::new(visitor, self.depth))
    }
}
