//! Structs by whose names serde_json recognizes its own types. All other formats see plain structs.

/// A type of serde_json that is written as a struct with one text field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// A number as its digits: every `serde_json::Number`, if any crate of the program enables
    /// serde_json's feature `arbitrary_precision`.
    Number,
    /// Raw JSON.
    RawValue,
}

impl Marker {
    /// Returns the type whose struct has this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "$serde_json::private::Number" => Some(Marker::Number),
            RAW_VALUE => Some(Marker::RawValue),
            _ => None,
        }
    }
}

/// The name of a raw value's struct, and of its field.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";
