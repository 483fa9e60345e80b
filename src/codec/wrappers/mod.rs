//! Codecs around other codecs.

mod option;
mod pointer;
mod versioned;

pub use self::versioned::{Upgrade, Versioned};
