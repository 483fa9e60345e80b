use std::borrow::Borrow;

use crate::codec::Codec;

/// A key or value of the codec `C` in the arguments of a bulk call: a reference, or an owned one.
///
/// The compiler infers `OWNED`, by which it keeps the two apart.
#[diagnostic::on_unimplemented(
    message = "a bulk call does not accept `{Self}` as a key or value of the codec `{C}`",
    note = "pass what the codec reads, such as a `String`, or a reference, such as a `&str`"
)]
pub trait Lend<C: Codec, const OWNED: bool> {
    /// Returns what the codec writes.
    fn lend(&self) -> &C::Borrowed;
}

impl<C, Q> Lend<C, false> for &Q
where
    C: Codec,
    Q: Borrow<C::Borrowed> + ?Sized,
{
    fn lend(&self) -> &C::Borrowed {
        (**self).borrow()
    }
}

impl<C, Q> Lend<C, true> for Q
where
    C: Codec<Owned = Q>,
    Q: Borrow<C::Borrowed>,
{
    fn lend(&self) -> &C::Borrowed {
        self.borrow()
    }
}
