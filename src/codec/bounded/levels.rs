use crate::codec::MAX_DEPTH;

/// How many levels a value may still nest.
///
/// A sequence, a tuple, a struct and a map are a level each, and so is a variant with content.
/// Options and newtypes are not levels, since some formats write nothing for them. No more than
/// [`MAX_DEPTH`] of them may follow each other, since a type that contains itself through them
/// alone would never end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    depth: usize,
    wrappers: usize,
}

impl Levels {
    pub(super) const fn new(depth: usize) -> Self {
        Levels { depth, wrappers: MAX_DEPTH }
    }

    pub(super) fn deeper<E>(self, error: impl FnOnce(&'static str) -> E) -> Result<Self, E> {
        self.depth.checked_sub(1).map(Self::new).ok_or_else(|| error(TOO_DEEP))
    }

    pub(super) fn wrapped<E>(self, error: impl FnOnce(&'static str) -> E) -> Result<Self, E> {
        let wrappers = self.wrappers.checked_sub(1).ok_or_else(|| error(TOO_DEEP))?;
        Ok(Levels { wrappers, ..self })
    }
}

pub(in crate::codec) const TOO_DEEP: &str = "nested too deep";
