//! Rules that a test may break, to verify that they are needed.

use std::marker::PhantomData;

/// The breaches `B` of its rules that a component commits: none, outside of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mutants<B> {
    #[cfg(test)]
    breach: Option<B>,
    breaches: PhantomData<B>,
}

impl<B: PartialEq> Mutants<B> {
    #[cfg(test)]
    pub(crate) fn of(breach: B) -> Self {
        Self { breach: Some(breach), breaches: PhantomData }
    }

    #[cfg(test)]
    pub(crate) fn has(&self, breach: B) -> bool {
        self.breach == Some(breach)
    }

    #[cfg(not(test))]
    pub(crate) const fn has(&self, _: B) -> bool
    where
        B: Copy,
    {
        false
    }
}

impl<B> Default for Mutants<B> {
    fn default() -> Self {
        Self {
            #[cfg(test)]
            breach: None,
            breaches: PhantomData,
        }
    }
}
