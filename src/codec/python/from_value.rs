//! Converts Python's data to serde's types.

use std::iter;

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected,
    VariantAccess, Visitor, value::Error,
};

use super::{Value, json_writer};
use crate::codec::CodecError;
use crate::codec::bounded::{TOO_DEEP, read};
use crate::codec::marker::RAW_VALUE;
use crate::codec::message::without_values;

/// Converts `value` to a `T`. All its elements are in memory, so their number is not bounded.
///
/// Types that accept any value, such as `serde_json::Value`, mostly have no room for ints of more
/// than 64 bits. If the value has some and is rejected, it is read once more with these as floats,
/// as serde_json reads them.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, CodecError> {
    let again = has_wide_ints(&value).then(|| value.clone());
    let exact = read(usize::MAX, Data::<true>(value));
    let read = match (exact, again) {
        (Err(error), Some(value)) => read(usize::MAX, Data::<false>(value)).map_err(|_| error),
        (exact, _) => exact,
    };
    read.map_err(|error: Error| match error.to_string() {
        message if message == TOO_DEEP => CodecError::new(message),
        message => CodecError::new(without_values(&message)),
    })
}

/// Returns whether any int in `value` has more than 64 bits.
fn has_wide_ints(value: &Value) -> bool {
    match value {
        Value::Int(int) => i64::try_from(*int).is_err() && u64::try_from(*int).is_err(),
        Value::LongInt(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().any(has_wide_ints),
        Value::Dict(entries) => {
            entries.iter().any(|(key, value)| has_wide_ints(key) || has_wide_ints(value))
        }
        _ => false,
    }
}

/// A value to be read. A type that accepts anything gets ints of more than 64 bits unchanged if
/// `EXACT`, or else as floats.
struct Data<const EXACT: bool>(Value);

impl<const EXACT: bool> Data<EXACT> {
    /// Reads an int of more than 64 bits as a float.
    fn rounded<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let float = match &self.0 {
            Value::Int(int) => *int as f64,
            Value::LongInt(digits) => digits.parse().unwrap_or(f64::INFINITY),
            _ => return self.deserialize_any(visitor),
        };
        if float.is_finite() { visitor.visit_f64(float) } else { Err(too_large(&visitor)) }
    }
}

fn too_large<'de, V: Visitor<'de>>(visitor: &V) -> Error {
    Error::invalid_value(Unexpected::Other("integer"), visitor)
}

impl<'de, const EXACT: bool> Deserializer<'de> for Data<EXACT> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::None => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(bool),
            Value::Int(int) => match (i64::try_from(int), u64::try_from(int)) {
                (Ok(int), _) => visitor.visit_i64(int),
                (_, Ok(int)) => visitor.visit_u64(int),
                _ if EXACT => visitor.visit_i128(int),
                _ => self.rounded(visitor),
            },
            Value::LongInt(ref digits) if EXACT => match digits.parse() {
                Ok(int) => visitor.visit_u128(int),
                Err(_) => Err(too_large(&visitor)),
            },
            Value::LongInt(_) => self.rounded(visitor),
            Value::Float(float) => visitor.visit_f64(float),
            Value::Str(text) | Value::Key(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) | Value::Tuple(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Data::<EXACT>));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Dict(entries) => {
                let entries = entries.into_iter();
                let entries = entries.map(|(key, value)| (Key::<EXACT>(key), Data::<EXACT>(value)));
                let mut entries = MapDeserializer::new(entries);
                let value = visitor.visit_map(&mut entries)?;
                entries.end().map(|()| value)
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if has_wide_ints(&self.0) { self.rounded(visitor) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Data::<true>(self.0).deserialize_any(visitor)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Data::<true>(self.0).deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::LongInt(digits) if digits.parse::<u128>().is_err() => {
                visitor.visit_string(digits)
            }
            value => Data::<EXACT>(value).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::None => visitor.visit_none(),
            value => visitor.visit_some(Data::<EXACT>(value)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != RAW_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        let mut json = Vec::new();
        json_writer::write(&self.0, &mut json).map_err(Error::custom)?;
        let json = String::from_utf8(json).map_err(Error::custom)?;
        visitor.visit_map(MapDeserializer::new(iter::once((RAW_VALUE, json))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Str(variant) | Value::Key(variant) => {
                visitor.visit_enum(Variant::<EXACT> { variant, content: None })
            }
            Value::Dict(entries) => match <[_; 1]>::try_from(entries) {
                Ok([(Value::Str(variant) | Value::Key(variant), content)]) => {
                    visitor.visit_enum(Variant::<EXACT> { variant, content: Some(content) })
                }
                _ => Err(Error::invalid_type(Unexpected::Map, &"a variant's name and content")),
            },
            _ => Err(Error::invalid_type(Unexpected::Other("other"), &"a variant")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, const EXACT: bool> IntoDeserializer<'de, Error> for Data<EXACT> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The key of a dict. JSON turns every key into text, so text is also parsed as the requested type,
/// and `null` as None where it cannot have been text. Python 2 wrote `True` where Python 3 writes
/// `true`.
struct Key<const EXACT: bool>(Value);

impl<const EXACT: bool> Key<EXACT> {
    fn data(self) -> Data<EXACT> {
        Data(self.0)
    }
}

impl<'de, const EXACT: bool> IntoDeserializer<'de, Error> for Key<EXACT> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parse_text {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                Value::Str(text) | Value::Key(text) => match super::int_from_digits(&text) {
                    Some(int) => Data::<EXACT>(int).$method(visitor),
                    None => visitor.visit_string(text),
                },
                value => Data::<EXACT>(value).$method(visitor),
            }
        }
    )+};
}

impl<'de, const EXACT: bool> Deserializer<'de> for Key<EXACT> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.data().deserialize_any(visitor)
    }

    parse_text! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Value::Str(text) | Value::Key(text) => match &**text {
                "true" | "True" => visitor.visit_bool(true),
                "false" | "False" => visitor.visit_bool(false),
                _ => self.data().deserialize_any(visitor),
            },
            _ => self.data().deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Value::Str(text) | Value::Key(text) => match text.parse() {
                Ok(float) => visitor.visit_f64(float),
                Err(_) => self.data().deserialize_any(visitor),
            },
            _ => self.data().deserialize_f64(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::None => visitor.visit_none(),
            Value::Key(text) if text == NULL => visitor.visit_none(),
            value => visitor.visit_some(Key::<EXACT>(value)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Key(text) if text == NULL => visitor.visit_unit(),
            value => Data::<EXACT>(value).deserialize_unit(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.data().deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// How JSON writes None as a key.
const NULL: &str = "null";

/// The name of an enum's variant, with its content if it has any.
struct Variant<const EXACT: bool> {
    variant: String,
    content: Option<Value>,
}

impl<'de, const EXACT: bool> EnumAccess<'de> for Variant<EXACT> {
    type Error = Error;
    type Variant = Content<EXACT>;

    fn variant_seed<S: serde::de::DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Content<EXACT>), Error> {
        let name: StringDeserializer<Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

/// The content of a variant.
struct Content<const EXACT: bool>(Option<Value>);

impl<const EXACT: bool> Content<EXACT> {
    fn data(self) -> Data<EXACT> {
        Data(self.0.unwrap_or(Value::None))
    }
}

impl<'de, const EXACT: bool> VariantAccess<'de> for Content<EXACT> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.0 {
            None | Some(Value::None) => Ok(()),
            Some(_) => Err(Error::invalid_type(Unexpected::Other("other"), &"a unit variant")),
        }
    }

    fn newtype_variant_seed<S: serde::de::DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Error> {
        seed.deserialize(self.data())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.data().deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.data().deserialize_any(visitor)
    }
}
