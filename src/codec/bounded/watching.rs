//! Compares a reader with the outline of the written value.

use std::marker::PhantomData;
use std::mem;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::outline::{self, Items, UNLIKE};

/// Visits items whose number, and names if they have any, are fixed by the type.
pub(super) fn visit_items<'de, V: Visitor<'de>, A: SeqAccess<'de>>(
    visitor: V,
    names: &'static [&'static str],
    inner: A,
) -> Result<V::Value, A::Error> {
    let mut elements = Elements { inner, items: begin()?, names, place: 0 };
    let value = visitor.visit_seq(&mut elements)?;
    match elements.items.count {
        0 => Ok(value),
        _ => Err(A::Error::custom(UNLIKE)),
    }
}

/// Compares the content of a variant with `count` items, at most one.
pub(super) fn variant_of<E: Error>(count: usize) -> Result<(), E> {
    match begin::<E>()? {
        Items { count: written, have_names: false } if written == count => Ok(()),
        _ => Err(E::custom(UNLIKE)),
    }
}

fn begin<E: Error>() -> Result<Items, E> {
    outline::read_items().ok_or_else(|| E::custom(UNLIKE))
}

/// The items of a part, each compared with the outline.
struct Elements<A> {
    inner: A,
    /// The remaining items.
    items: Items,
    names: &'static [&'static str],
    /// Where the names of further items begin.
    place: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let unlike = || A::Error::custom(UNLIKE);
        let left = self.items.count.checked_sub(1);
        if left.is_some() && self.items.have_names {
            self.place = outline::read_field(self.names, self.place).ok_or_else(unlike)?;
        }
        self.items.count = left.unwrap_or(0);
        let element = self.inner.next_element_seed(seed)?;
        if element.is_some() == left.is_some() { Ok(element) } else { Err(unlike()) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Reads a variant, compared with the outline.
pub(super) struct Variant<S>(pub(super) S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Variant<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let number = u32::deserialize(inner)?;
        let (name, by_name) =
            outline::read_variant(number).ok_or_else(|| D::Error::custom(UNLIKE))?;
        let identifier =
            Identifier { number, name: by_name.then_some(name), error: PhantomData::<D::Error> };
        let variant = self.0.deserialize(identifier)?;
        outline::note_variant(mem::discriminant(&variant));
        Ok(variant)
    }
}

/// A variant by its number, or by its name for types that accept names.
struct Identifier<E> {
    number: u32,
    name: Option<&'static str>,
    error: PhantomData<E>,
}

impl<'de, E: Error> Deserializer<'de> for Identifier<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.name {
            Some(name) => visitor.visit_borrowed_str(name).map_err(|_: E| E::custom(UNLIKE)),
            None => visitor.visit_u32(self.number),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_u32(self.number)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_u32(self.number)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
