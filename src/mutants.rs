//! Rules that a test may break, to verify that they are needed.

use std::marker::PhantomData;

/// The mutants `M` of its rules that a component commits: none, outside of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mutants<M> {
    #[cfg(test)]
    mutant: Option<M>,
    mutants: PhantomData<M>,
}

impl<M: PartialEq> Mutants<M> {
    #[cfg(test)]
    pub(crate) fn of(mutant: M) -> Self {
        Self { mutant: Some(mutant), mutants: PhantomData }
    }

    #[cfg(test)]
    pub(crate) fn has(&self, mutant: M) -> bool {
        self.mutant == Some(mutant)
    }

    #[cfg(not(test))]
    pub(crate) const fn has(&self, _: M) -> bool
    where
        M: Copy,
    {
        false
    }
}

impl<M> Default for Mutants<M> {
    fn default() -> Self {
        Self {
            #[cfg(test)]
            mutant: None,
            mutants: PhantomData,
        }
    }
}
