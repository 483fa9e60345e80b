//! Bounds that formats lack or count differently: the nesting of a value, in writing and in
//! reading, and the lengths that encoded bytes declare.

mod declared;
mod leaves;
mod levels;
#[cfg_attr(
    not(feature = "bincode"),
    allow(dead_code, reason = "other formats have names and kinds")
)]
mod outline;
mod read;
mod watching;
mod write;

#[cfg(feature = "bincode")]
pub(super) use declared::{More, TOO_MANY, within};
pub(super) use levels::TOO_DEEP;
#[cfg(feature = "bincode")]
pub(super) use outline::{UNLIKE, compared, outlined, unwatched};
#[cfg(feature = "bincode")]
pub(super) use read::Bounded;
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(super) use read::read;
pub(super) use write::unwritable;
#[cfg(feature = "bincode")]
pub(super) use write::watched;
#[cfg(any(feature = "json", feature = "msgpack", feature = "pickle"))]
pub(super) use write::written;
#[cfg(feature = "json")]
pub(super) use write::written_finite;
