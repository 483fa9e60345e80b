//! Which call leads on a shared connection, and which wait for their turn, without I/O or threads.

use std::collections::VecDeque;

use crate::mutants::Mutants;

/// The lead of a lane, the right to use its connection. `C` is a call that waits
/// to be sent, and `W` what goes from one leader to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Turns<C, W> {
    lead: Option<LeadNumber>,
    last: LeadNumber,
    queue: VecDeque<C>,
    resting: W,
    pub(super) mutants: Mutants<TurnsMutant>,
}

/// Identifies a lead, from the first caller that has it to the last.
pub(super) type LeadNumber = u64;

/// The next step of a caller that has done its part.
#[derive(Debug, PartialEq)]
pub(super) enum Next<C, W> {
    /// This call is to lead.
    Offer(C, W),
    /// The connection rests in the lane.
    Rest,
    /// Another caller leads since the lead was revoked: its connection is of no use.
    Revoked(W),
}

/// A rule that a test breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TurnsMutant {
    /// A caller leads although another one does.
    LeadsBesideAnother,
    /// The lead ends although calls wait.
    RestsWithCallsWaiting,
    /// A revoked lead still takes calls and rests.
    IgnoresRevocation,
}

impl<C, W: Default> Turns<C, W> {
    pub(super) fn new() -> Self {
        Self {
            lead: None,
            last: 0,
            queue: VecDeque::new(),
            resting: W::default(),
            mutants: Mutants::default(),
        }
    }

    pub(super) fn is_led(&self) -> bool {
        self.lead.is_some()
    }

    /// Leads, unless another caller does.
    pub(super) fn enter(&mut self) -> Option<(LeadNumber, W)> {
        if self.is_led() && !self.mutants.has(TurnsMutant::LeadsBesideAnother) {
            return None;
        }
        Some((self.begin(), std::mem::take(&mut self.resting)))
    }

    /// Waits for the one that leads.
    pub(super) fn wait(&mut self, call: C) {
        self.queue.push_back(call);
    }

    /// Takes the calls that wait, in their order, as long as `fits` accepts them.
    pub(super) fn take(
        &mut self,
        lead: LeadNumber,
        mut fits: impl FnMut(&C) -> bool,
    ) -> impl Iterator<Item = C> {
        let holds = self.holds(lead);
        let count = self.queue.iter().take_while(|call| holds && fits(call)).count();
        self.queue.drain(..count)
    }

    /// Ends the part of the caller that has the lead.
    pub(super) fn pass_on(&mut self, lead: LeadNumber, connection: W) -> Next<C, W> {
        if !self.holds(lead) {
            return Next::Revoked(connection);
        }
        let rests = self.mutants.has(TurnsMutant::RestsWithCallsWaiting);
        match self.queue.pop_front().filter(|_| !rests) {
            Some(call) => Next::Offer(call, connection),
            None => {
                self.lead = None;
                self.resting = connection;
                Next::Rest
            }
        }
    }

    /// Takes the lead from a caller that makes no progress, for a call that still waits.
    pub(super) fn revoke(&mut self, is_own: impl Fn(&C) -> bool) -> Option<(LeadNumber, C)> {
        let place = self.queue.iter().position(is_own)?;
        let call = self.queue.remove(place)?;
        Some((self.begin(), call))
    }

    #[cfg(test)]
    pub(super) fn lead(&self) -> Option<LeadNumber> {
        self.lead
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub(super) fn resting(&self) -> &W {
        &self.resting
    }

    fn begin(&mut self) -> LeadNumber {
        self.last += 1;
        self.lead = Some(self.last);
        self.last
    }

    fn holds(&self, lead: LeadNumber) -> bool {
        self.lead == Some(lead) || self.mutants.has(TurnsMutant::IgnoresRevocation)
    }
}
