//! The state of one call on a shared connection, without I/O or threads.

use crate::mutants::Mutants;

/// What a call has received so far: `R` is its outcome, `L` the lead.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Slot<R, L> {
    state: SlotState<R, L>,
    pub(super) mutants: Mutants<SlotMutant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SlotState<R, L> {
    /// Nothing was sent.
    Queued,
    /// It is being sent, or was.
    Sent,
    Concluded(R),
    /// The call is to lead.
    Leading(L),
    /// Its caller has left.
    Left,
}

/// What a call received.
#[derive(Debug, PartialEq)]
pub(super) enum Received<R, L> {
    Outcome(R),
    Lead(L),
}

/// Why a call that leaves has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Nothing was sent, and nothing will be.
    Unsent,
    /// It may have been applied.
    Sent,
}

/// A rule that a test breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SlotMutant {
    /// A call is sent though its caller has left.
    SendsForTheAbsent,
    /// The lead goes to a call whose caller has left.
    LeadsWithTheAbsent,
    /// A caller leaves with what it has not looked at.
    LeavesWithTheLead,
}

impl<R, L> Slot<R, L> {
    pub(super) fn new() -> Self {
        Self { state: SlotState::Queued, mutants: Mutants::default() }
    }

    /// Returns whether the call may be sent, which it then counts as. It may not once its caller
    /// has left.
    pub(super) fn send(&mut self) -> bool {
        match self.state {
            SlotState::Left => self.mutants.has(SlotMutant::SendsForTheAbsent),
            _ => {
                self.state = SlotState::Sent;
                true
            }
        }
    }

    /// Concludes the call. Returns whether its caller is still there.
    pub(super) fn conclude(&mut self, outcome: R) -> bool {
        let is_there = !matches!(self.state, SlotState::Left);
        if is_there {
            self.state = SlotState::Concluded(outcome);
        }
        is_there
    }

    /// Offers the lead to the caller. Returns it if the caller has left.
    pub(super) fn offer(&mut self, lead: L) -> Result<(), L> {
        let has_left = matches!(self.state, SlotState::Left);
        if has_left && !self.mutants.has(SlotMutant::LeadsWithTheAbsent) {
            return Err(lead);
        }
        self.state = SlotState::Leading(lead);
        Ok(())
    }

    /// Takes what the caller has received. With the lead, its call counts as sent, which it is or
    /// is about to be.
    pub(super) fn take(&mut self) -> Option<Received<R, L>> {
        match std::mem::replace(&mut self.state, SlotState::Sent) {
            SlotState::Concluded(outcome) => Some(Received::Outcome(outcome)),
            SlotState::Leading(lead) => Some(Received::Lead(lead)),
            state => {
                self.state = state;
                None
            }
        }
    }

    #[cfg(test)]
    pub(super) fn has_left(&self) -> bool {
        matches!(self.state, SlotState::Left)
    }

    /// Leaves without an outcome, unless something was received: then the caller must take that.
    pub(super) fn leave(&mut self) -> Option<Leaving> {
        let leaving = match self.state {
            SlotState::Queued => Leaving::Unsent,
            SlotState::Sent | SlotState::Left => Leaving::Sent,
            SlotState::Concluded(_) => return None,
            SlotState::Leading(_) if self.mutants.has(SlotMutant::LeavesWithTheLead) => {
                Leaving::Sent
            }
            SlotState::Leading(_) => return None,
        };
        self.state = SlotState::Left;
        Some(leaving)
    }
}
