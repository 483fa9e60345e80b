//! The part of Redis' protocol that this crate writes itself.

mod line;
mod packing;
mod publishing;

pub(crate) use self::line::{Form, Line};
pub(crate) use self::packing::pack;
