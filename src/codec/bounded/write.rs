//! Writes values within bounds, so that they can be read back.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::leaves::Leaf;
use super::levels::{Levels, TOO_DEEP};
use super::outline;
use crate::codec::CodecError;

/// Wraps `value` so that writing fails if it nests deeper than `depth`.
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(in crate::codec) fn written<T: Serialize + ?Sized>(
    value: &T,
    depth: usize,
) -> impl Serialize + use<'_, T> {
    Limited { inner: value, levels: Levels::new(depth), rules: Rules::default(), items: None }
}

/// Like `written`, for a format that has no form for NaN and the infinities.
#[cfg(feature = "json")]
pub(in crate::codec) fn written_finite<T: Serialize + ?Sized>(
    value: &T,
    depth: usize,
) -> impl Serialize + use<'_, T> {
    let rules = Rules { finite: true, ..Rules::default() };
    Limited { inner: value, levels: Levels::new(depth), rules, items: None }
}

/// Like `written`, inside of [`outlined`](outline::outlined), which records the outline.
#[cfg(feature = "bincode")]
pub(in crate::codec) fn watched<T: Serialize + ?Sized>(
    value: &T,
    depth: usize,
) -> impl Serialize + use<'_, T> {
    let rules = Rules { watched: true, ..Rules::default() };
    Limited { inner: value, levels: Levels::new(depth), rules, items: None }
}

/// Returns why a [`written`] value of this `depth` failed: its nesting, a float, or else
/// `otherwise`.
pub(in crate::codec) fn unwritable(
    error: &impl Display,
    depth: usize,
    otherwise: &str,
) -> CodecError {
    let error = error.to_string();
    if error.contains(TOO_DEEP) {
        CodecError::new(format!("nested more than {depth} deep, which could not be read back"))
    } else if error.contains(NOT_FINITE) {
        CodecError::new(NOT_FINITE)
    } else {
        CodecError::new(otherwise)
    }
}

/// What holds for all parts of a value alike.
#[derive(Clone, Copy, Default)]
struct Rules {
    /// Whether the outline is recorded.
    watched: bool,
    /// Whether every float must be finite.
    finite: bool,
}

/// A part of serde's writing, kept within bounds.
struct Limited<I> {
    inner: I,
    levels: Levels,
    rules: Rules,
    /// The place of the items in the outline, if the type fixes their number.
    items: Option<usize>,
}

impl<I> Limited<I> {
    fn inside<J>(&self, inner: J, levels: Levels) -> Limited<J> {
        Limited { inner, levels, rules: self.rules, items: None }
    }

    fn leaf(&self, leaf: Leaf) {
        if self.rules.watched {
            outline::note(leaf);
        }
    }

    fn check<E: Error>(&self, float: f64) -> Result<(), E> {
        if self.rules.finite && !float.is_finite() { Err(E::custom(NOT_FINITE)) } else { Ok(()) }
    }

    fn bytes(&self, count: usize) {
        if self.rules.watched {
            outline::note(Leaf::Sequence);
            outline::note_bytes(count);
        }
    }

    fn variant(&self, number: u32, name: &'static str) {
        if self.rules.watched {
            outline::write_variant(number, name);
        }
    }

    fn items(&self, have_names: bool) -> Option<usize> {
        self.rules.watched.then(|| outline::write_items(have_names))
    }
}

fn item(items: Option<usize>, name: Option<&'static str>) {
    if let Some(place) = items {
        outline::write_item(place, name);
    }
}

impl<T: Serialize + ?Sized> Serialize for Limited<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(self.inside(serializer, self.levels))
    }
}

macro_rules! scalars {
    ($($method:ident($($argument:ident: $type:ty),*) $(, $leaf:ident)?;)+) => {$(
        fn $method(self $(, $argument: $type)*) -> Result<S::Ok, S::Error> {
            $(self.leaf(Leaf::$leaf);)?
            self.inner.$method($($argument),*)
        }
    )+};
}

macro_rules! collections {
    ($($method:ident($($argument:ident: $type:ty),*) -> $kind:ident $(, leaf: $leaf:ident)? $(, names: $names:literal)?;)+) => {$(
        fn $method(self $(, $argument: $type)*) -> Result<Self::$kind, S::Error> {
            let levels = self.levels.deeper(S::Error::custom)?;
            $(self.leaf(Leaf::$leaf);)?
            let (rules, items) = (self.rules, None $(.or(self.items($names)))?);
            Ok(Limited { inner: self.inner.$method($($argument),*)?, levels, rules, items })
        }
    )+};
}

impl<S: Serializer> Serializer for Limited<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Limited<S::SerializeSeq>;
    type SerializeTuple = Limited<S::SerializeTuple>;
    type SerializeTupleStruct = Limited<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Limited<S::SerializeTupleVariant>;
    type SerializeMap = Limited<S::SerializeMap>;
    type SerializeStruct = Limited<S::SerializeStruct>;
    type SerializeStructVariant = Limited<S::SerializeStructVariant>;

    scalars! {
        serialize_bool(value: bool), Byte;
        serialize_i8(value: i8), SignedByte;
        serialize_i16(value: i16), Signed;
        serialize_i32(value: i32), Signed;
        serialize_i64(value: i64), Signed;
        serialize_i128(value: i128), Signed;
        serialize_u8(value: u8), Byte;
        serialize_u16(value: u16), Unsigned;
        serialize_u32(value: u32), Unsigned;
        serialize_u64(value: u64), Unsigned;
        serialize_u128(value: u128), Unsigned;
        serialize_char(value: char), Char;
        serialize_none(), Option;
        serialize_unit();
        serialize_unit_struct(name: &'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.check(value.into())?;
        self.leaf(Leaf::Narrow);
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.check(value)?;
        self.leaf(Leaf::Float);
        self.inner.serialize_f64(value)
    }

    collections! {
        serialize_seq(length: Option<usize>) -> SerializeSeq, leaf: Sequence;
        serialize_tuple(length: usize) -> SerializeTuple, names: false;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct, names: false;
        serialize_map(length: Option<usize>) -> SerializeMap, leaf: Map;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct, names: true;
    }

    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        self.bytes(value.len());
        self.inner.serialize_str(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        self.bytes(value.len());
        self.inner.serialize_bytes(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.leaf(Leaf::Option);
        let value = self.inside(value, self.levels.wrapped(S::Error::custom)?);
        self.inner.serialize_some(&value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.inside(value, self.levels.wrapped(S::Error::custom)?);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.variant(index, variant);
        self.items(false);
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.inside(value, self.levels.deeper(S::Error::custom)?);
        self.variant(index, variant);
        item(self.items(false), None);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let levels = self.levels.deeper(S::Error::custom)?.deeper(S::Error::custom)?;
        self.variant(index, variant);
        let (rules, items) = (self.rules, self.items(false));
        let inner = self.inner.serialize_tuple_variant(name, index, variant, length)?;
        Ok(Limited { inner, levels, rules, items })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let levels = self.levels.deeper(S::Error::custom)?.deeper(S::Error::custom)?;
        self.variant(index, variant);
        let (rules, items) = (self.rules, self.items(true));
        let inner = self.inner.serialize_struct_variant(name, index, variant, length)?;
        Ok(Limited { inner, levels, rules, items })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        if self.rules.watched {
            self.serialize_str(&value.to_string())
        } else {
            self.inner.collect_str(value)
        }
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! parts {
    ($($trait:ident { $($method:ident($($name:ident: $type:ty)?);)+ })+) => {$(
        impl<S: $trait> $trait for Limited<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), S::Error> {
                item(self.items, None $(.or(Some($name)))?);
                let value = self.inside(value, self.levels);
                self.inner.$method($($name,)? &value)
            })+

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )+};
}

parts! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(name: &'static str); }
    SerializeStructVariant { serialize_field(name: &'static str); }
}

const NOT_FINITE: &str = "NaN or an infinity, which the format could not read back";
