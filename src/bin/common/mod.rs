//! What the command-line programs of this crate have in common.

pub(crate) mod failure;
pub(crate) mod options;
pub(crate) mod program;
pub(crate) mod secrets;
pub(crate) mod shown;
pub(crate) mod stop;
pub(crate) mod terminal;
