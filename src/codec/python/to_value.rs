//! Converts serde's types to Python's data.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Value, int_from_digits, json_reader};
use crate::codec::bounded::{unwritable, written};
use crate::codec::marker::Marker;
use crate::codec::{CodecError, MAX_DEPTH};

type Error = serde::de::value::Error;

/// Converts `value` to Python's data: a struct is a dict, a tuple a tuple, `None` and `()` are
/// None, and a variant is its name or a dict of its name and its content. Values that serde_json
/// marks as numbers or as JSON become what they represent.
pub(crate) fn to_value<T: Serialize>(value: &T) -> Result<Value, CodecError> {
    written(value, MAX_DEPTH)
        .serialize(ToValue)
        .map_err(|error| unwritable(&error, MAX_DEPTH, "the type refuses to be written"))
}

/// Builds a [`Value`] from the calls of a serde type.
struct ToValue;

macro_rules! ints {
    ($($method:ident($type:ty);)+) => {$(
        fn $method(self, int: $type) -> Result<Value, Error> {
            Ok(Value::Int(int.into()))
        }
    )+};
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    ints! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
    }

    fn serialize_u128(self, int: u128) -> Result<Value, Error> {
        Ok(i128::try_from(int).map_or_else(|_| Value::LongInt(int.to_string()), Value::Int))
    }

    fn serialize_bool(self, bool: bool) -> Result<Value, Error> {
        Ok(Value::Bool(bool))
    }

    fn serialize_f32(self, float: f32) -> Result<Value, Error> {
        Ok(Value::Float(float.into()))
    }

    fn serialize_f64(self, float: f64) -> Result<Value, Error> {
        Ok(Value::Float(float))
    }

    fn serialize_char(self, char: char) -> Result<Value, Error> {
        Ok(Value::Str(char.into()))
    }

    fn serialize_str(self, text: &str) -> Result<Value, Error> {
        Ok(Value::Str(text.to_owned()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Error> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::None)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(in_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Error> {
        Ok(Items { variant: None, is_tuple: false, items: Vec::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Error> {
        Ok(Items { variant: None, is_tuple: true, items: Vec::new() })
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, Error> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Error> {
        Ok(Items { variant: Some(variant), is_tuple: false, items: Vec::new() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Entries, Error> {
        Ok(Entries { marker: Marker::named(name), ..Entries::default() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, Error> {
        Ok(Entries { variant: Some(variant), ..Entries::default() })
    }
}

fn in_variant(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => Value::Dict(vec![(Value::Str(variant.to_owned()), content)]),
        None => content,
    }
}

/// Returns what a marked struct with these entries represents.
fn unmarked(marker: Marker, entries: &[(Value, Value)]) -> Result<Value, Error> {
    let value = match (marker, entries) {
        (Marker::Number, [(_, Value::Str(text))]) => int_from_digits(text).or_else(|| {
            text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float)
        }),
        (Marker::RawValue, [(_, Value::Str(text))]) => json_reader::read(text.as_bytes()).ok(),
        _ => None,
    };
    value.ok_or_else(|| Error::custom("a marker of serde_json without its content"))
}

/// The items of a sequence or tuple that is being built.
struct Items {
    variant: Option<&'static str>,
    is_tuple: bool,
    items: Vec<Value>,
}

impl SerializeSeq for Items {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items.push(value.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        let items = if self.is_tuple { Value::Tuple } else { Value::List };
        Ok(in_variant(self.variant, items(self.items)))
    }
}

macro_rules! like_a_sequence {
    ($($trait:ident: $method:ident;)+) => {$(
        impl $trait for Items {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                SerializeSeq::serialize_element(self, value)
            }

            fn end(self) -> Result<Value, Error> {
                SerializeSeq::end(self)
            }
        }
    )+};
}

like_a_sequence! {
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

/// The entries of a map or struct that is being built.
#[derive(Default)]
struct Entries {
    variant: Option<&'static str>,
    marker: Option<Marker>,
    key: Option<Value>,
    entries: Vec<(Value, Value)>,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(ToValue)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        self.entries.push((key, value.serialize(ToValue)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        match self.marker {
            Some(marker) => unmarked(marker, &self.entries),
            None => Ok(in_variant(self.variant, Value::Dict(self.entries))),
        }
    }
}

macro_rules! like_a_map {
    ($($trait:ident)+) => {$(
        impl $trait for Entries {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.entries.push((Value::Str(name.to_owned()), value.serialize(ToValue)?));
                Ok(())
            }

            fn end(self) -> Result<Value, Error> {
                SerializeMap::end(self)
            }
        }
    )+};
}

like_a_map! { SerializeStruct SerializeStructVariant }
