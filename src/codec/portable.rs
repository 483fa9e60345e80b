//! Adapts serde's types to formats that do not know serde_json's private names or, possibly, wide
//! ints.

use std::fmt::{self, Display, Write};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::marker::Marker;

/// A value whose ints are written as 64-bit ints where they fit, whatever their type, and whose
/// serde_json numbers are written as numbers.
#[cfg(feature = "msgpack")]
pub(super) struct WithNames<'a, T: ?Sized>(pub(super) &'a T);

/// Like `WithNames`, for a format without field names, where no field may be left out.
#[cfg(feature = "bincode")]
pub(super) struct WithoutNames<'a, T: ?Sized>(pub(super) &'a T);

#[cfg(feature = "msgpack")]
impl<T: Serialize + ?Sized> Serialize for WithNames<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Portable { inner: serializer, has_names: true })
    }
}

#[cfg(feature = "bincode")]
impl<T: Serialize + ?Sized> Serialize for WithoutNames<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Portable { inner: serializer, has_names: false })
    }
}

pub(super) const LEFT_OUT: &str = "a field that is left out cannot be read back";
pub(super) const NO_NUMBER: &str = "a number that no other type has room for";
pub(super) const NO_RAW_VALUE: &str = "raw JSON cannot be read back";

/// A part of serde's writing, made portable.
struct Portable<I> {
    inner: I,
    has_names: bool,
}

impl<I> Portable<I> {
    fn inside<J>(&self, inner: J) -> Portable<J> {
        Portable { inner, has_names: self.has_names }
    }

    fn value<'a, T: ?Sized>(&self, value: &'a T) -> Inside<'a, T> {
        Inside(self.inside(value))
    }
}

/// A nested value, written like the one around it.
struct Inside<'a, T: ?Sized>(Portable<&'a T>);

impl<T: Serialize + ?Sized> Serialize for Inside<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.inner.serialize(self.0.inside(serializer))
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)+) => {$(
        fn $method(self, $($argument: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        }
    )+};
}

macro_rules! compound {
    ($($method:ident($($argument:ident: $type:ty),*) -> $compound:ident;)+) => {$(
        fn $method(self, $($argument: $type),*) -> Result<Portable<S::$compound>, S::Error> {
            let has_names = self.has_names;
            let inner = self.inner.$method($($argument),*)?;
            Ok(Portable { inner, has_names })
        }
    )+};
}

macro_rules! wide_int {
    ($($method:ident($type:ty);)+) => {$(
        fn $method(self, int: $type) -> Result<S::Ok, S::Error> {
            match (i64::try_from(int), u64::try_from(int)) {
                (Ok(int), _) if self.has_names => self.inner.serialize_i64(int),
                (_, Ok(int)) if self.has_names => self.inner.serialize_u64(int),
                _ => self.inner.$method(int),
            }
        }
    )+};
}

impl<S: Serializer> Serializer for Portable<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Portable<S::SerializeSeq>;
    type SerializeTuple = Portable<S::SerializeTuple>;
    type SerializeTupleStruct = Portable<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Portable<S::SerializeTupleVariant>;
    type SerializeMap = Portable<S::SerializeMap>;
    type SerializeStruct = Fields<S>;
    type SerializeStructVariant = Portable<S::SerializeStructVariant>;

    forward! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    wide_int! {
        serialize_i128(i128);
        serialize_u128(u128);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_some(&value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    compound! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant;
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields<S>, S::Error> {
        match Marker::named(name) {
            None => {
                let has_names = self.has_names;
                let inner = self.inner.serialize_struct(name, length)?;
                Ok(Fields::Plain(Portable { inner, has_names }))
            }
            Some(Marker::Number) => Ok(Fields::Number(self.inner, String::new())),
            Some(Marker::RawValue) => Err(Error::custom(NO_RAW_VALUE)),
        }
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The fields of a struct, or the single one of a marked number.
enum Fields<S: Serializer> {
    Plain(Portable<S::SerializeStruct>),
    Number(S, String),
}

impl<S: Serializer> SerializeStruct for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        match self {
            Fields::Plain(fields) => {
                let value = fields.value(value);
                fields.inner.serialize_field(name, &value)
            }
            Fields::Number(_, text) => {
                write!(text, "{}", Shown(value)).map_err(|_| Error::custom(NO_NUMBER))
            }
        }
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
        match self {
            Fields::Plain(fields) if fields.has_names => fields.inner.skip_field(name),
            _ => Err(Error::custom(LEFT_OUT)),
        }
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        match self {
            Fields::Plain(fields) => fields.inner.end(),
            Fields::Number(serializer, text) => number(serializer, &text),
        }
    }
}

/// Displays a text or a number as it is serialized.
struct Shown<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

/// Writes a JSON number. An int stays an int.
fn number<S: Serializer>(serializer: S, text: &str) -> Result<S::Ok, S::Error> {
    if let Ok(int) = text.parse() {
        return serializer.serialize_i64(int);
    }
    if let Ok(int) = text.parse() {
        return serializer.serialize_u64(int);
    }
    match text.parse() {
        Ok(float) if f64::is_finite(float) && text.contains(['.', 'e', 'E']) => {
            serializer.serialize_f64(float)
        }
        _ => Err(Error::custom(NO_NUMBER)),
    }
}

macro_rules! items {
    ($($trait:ident: $method:ident;)+) => {$(
        impl<I: $trait> $trait for Portable<I> {
            type Ok = I::Ok;
            type Error = I::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), I::Error> {
                let value = self.value(value);
                self.inner.$method(&value)
            }

            fn end(self) -> Result<I::Ok, I::Error> {
                self.inner.end()
            }
        }
    )+};
}

items! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

impl<I: SerializeMap> SerializeMap for Portable<I> {
    type Ok = I::Ok;
    type Error = I::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), I::Error> {
        let key = self.value(key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), I::Error> {
        let value = self.value(value);
        self.inner.serialize_value(&value)
    }

    fn end(self) -> Result<I::Ok, I::Error> {
        self.inner.end()
    }
}

impl<I: SerializeStructVariant> SerializeStructVariant for Portable<I> {
    type Ok = I::Ok;
    type Error = I::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), I::Error> {
        let value = self.value(value);
        self.inner.serialize_field(name, &value)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), I::Error> {
        if self.has_names { self.inner.skip_field(name) } else { Err(Error::custom(LEFT_OUT)) }
    }

    fn end(self) -> Result<I::Ok, I::Error> {
        self.inner.end()
    }
}
