use std::fmt::Display;

use crate::codec::Codec;

/// A raw number that the server itself can add to: the integers up to 64 bits, and `f64`.
///
/// The server computes integers as `i64` whatever the type here. A sum that does not fit the type
/// is stored nevertheless, and reading it fails. A `u64` beyond `i64::MAX` cannot be incremented. A
/// sum of floats is stored as the server writes it, such as `5`, not as an `f64` is written
/// otherwise.
#[diagnostic::on_unimplemented(
    message = "the server cannot add to a `{Self}`",
    note = "it adds to raw integers and `f64`; for other types use `update`"
)]
pub trait Increment: Codec {
    /// The type of the summand.
    type By: Display;
    /// Whether it is a floating-point number.
    #[doc(hidden)]
    const IS_FLOAT: bool;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Increment for $integer {
            type By = i64;
            const IS_FLOAT: bool = false;
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl Increment for f64 {
    type By = f64;
    const IS_FLOAT: bool = true;
}
