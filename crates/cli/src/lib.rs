//! The parts that the command-line programs of this crate have in common.

pub mod confirm;
pub mod documents;
pub mod failure;
pub mod options;
pub mod program;
pub mod secrets;
pub mod shown;
pub mod stop;
pub mod terminal;
