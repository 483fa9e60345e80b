//! Codecs around other codecs.

mod option;
mod pointer;
