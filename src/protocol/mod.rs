//! Redis' protocol, as far as this crate writes it itself.

mod line;
mod packing;
mod publishing;

pub(crate) use self::line::{Form, Line};
pub(crate) use self::packing::pack;
