//! The properties of a request besides its arguments.

use std::sync::Arc;

use redis::Value;

use super::{DropReport, Request};
use crate::changes::ChangePublishing;
use crate::keys::{Gather, Place};
use crate::time::Wait;

impl Request {
    /// Sets the known reply, so that the command need not be sent.
    pub(crate) fn answered(mut self, reply: Value) -> Self {
        self.rare().known_reply = Some(reply);
        self
    }

    /// Makes a write publish its changes, if `publishing` is set. A blocking request does not,
    /// since it cannot run in a script.
    pub(crate) fn publishes(mut self, publishing: &Option<Arc<ChangePublishing>>) -> Self {
        let Some(publishing) = publishing else { return self };
        if self.writes {
            self.rare().publishing.push(publishing.clone());
        }
        self.refuse_if(publishing.refusal())
    }

    /// Marks the command as blocking: the server holds its reply back for up to `wait`. Clients
    /// append the time to wait as the last argument, in slices.
    pub(crate) fn waits(mut self, wait: Wait) -> Self {
        self.rare().wait = Some(wait);
        self
    }

    /// Forbids to restart a wait on another connection after its own was lost, since the server may
    /// still be waiting, or while the server is busy or full: the caller decides.
    pub(crate) fn once(mut self) -> Self {
        self.rare().waits_once = true;
        self
    }

    /// Allows to send the items in pieces: slot by slot in a cluster, and in commands of bounded size.
    /// Sets how the replies are combined. The items must be the last arguments.
    pub(crate) fn divisible(mut self, gather: Gather) -> Self {
        self.gather = Some(gather);
        self
    }

    /// Sends the command to all servers, and sets how their replies are combined.
    pub(crate) fn everywhere(mut self, gather: Gather) -> Self {
        self.place = Place::Everywhere;
        self.divisible(gather)
    }

    /// Sends the command to the server of `slot`, if no key determines the slot.
    pub(crate) fn at_slot(mut self, slot: u16) -> Self {
        self.place = Place::Slot(slot);
        self
    }

    /// Sets the command that gives back an item that this blocking one took, if its caller no
    /// longer wants it.
    pub(crate) fn undone_by(mut self, command: &'static str) -> Self {
        self.rare().undo = Some(command);
        self
    }

    /// Sets a callback for a call that is dropped while it waits. `report` is called once when that
    /// wait has ended on the server too: with the reply, which is `Nil` if nothing was taken or
    /// sent, or with `None` if the outcome cannot be known. This may be while the call is being
    /// dropped, or later in a task. A call that is not dropped reports nothing.
    pub(crate) fn on_dropped(
        mut self,
        report: impl FnOnce(Option<Value>) + Send + 'static,
    ) -> Self {
        self.rare().drop_report = Some(DropReport::new(report));
        self
    }

    /// Sets the first servers that support the command.
    pub(crate) fn needs(mut self, servers: &'static str) -> Self {
        self.rare().needs = Some(servers);
        self
    }
}
