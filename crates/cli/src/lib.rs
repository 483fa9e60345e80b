//! The parts that the command-line programs of this crate have in common.

mod certificates;
pub mod confirm;
pub mod connect;
pub mod documents;
pub mod failure;
pub mod options;
pub mod program;
pub mod secrets;
pub mod shown;
pub mod stop;
pub mod terminal;
