//! What is said of a request besides its arguments.

use std::sync::Arc;

use redis::Value;

use super::{Abandonment, Request};
use crate::changes::ChangePublishing;
use crate::keys::{Gather, Place};
use crate::time::Wait;

impl Request {
    /// Says that the command need not be sent, for its reply is known.
    pub(crate) fn answered(mut self, reply: Value) -> Self {
        self.rare().known_reply = Some(reply);
        self
    }

    /// Says that a write tells of its changes, if `publishing` says so. A request that waits does not,
    /// since it cannot run in a script.
    pub(crate) fn publishes(mut self, publishing: &Option<Arc<ChangePublishing>>) -> Self {
        let Some(publishing) = publishing else { return self };
        if self.writes {
            self.rare().publishing.push(publishing.clone());
        }
        self.refuse_if(publishing.refusal())
    }

    /// Says that the server holds its reply back for up to `wait`. Clients append the time to wait
    /// as the last argument, in slices.
    pub(crate) fn waits(mut self, wait: Wait) -> Self {
        self.rare().wait = Some(wait);
        self
    }

    /// Says that a wait whose connection was lost is not begun anew on another one, since the server
    /// may still wait too, nor while the server is busy or full: the caller decides.
    pub(crate) fn once(mut self) -> Self {
        self.rare().waits_once = true;
        self
    }

    /// Says that in a cluster the keys may be asked for slot by slot, and how the replies are put
    /// together. The arguments are the command's name and its keys, each with its value if any.
    pub(crate) fn divisible(mut self, gather: Gather) -> Self {
        self.gather = Some(gather);
        self
    }

    /// Says that all servers are to be asked, and how their replies are put together.
    pub(crate) fn everywhere(mut self, gather: Gather) -> Self {
        self.place = Place::Everywhere;
        self.divisible(gather)
    }

    /// Says that the server of `slot` is to be asked, where no key says so.
    pub(crate) fn at_slot(mut self, slot: u16) -> Self {
        self.place = Place::Slot(slot);
        self
    }

    /// Says which command gives back what this waiting one took, if nobody wants it any more.
    pub(crate) fn undone_by(mut self, command: &'static str) -> Self {
        self.rare().undo = Some(command);
        self
    }

    /// Has `report` called once if the call is dropped while it waits, when that wait has ended on
    /// the server too: with the reply, which is `Nil` where nothing came or nothing was sent, or
    /// with `None` where the outcome cannot be known. This may be while the call is being dropped,
    /// or later in a task. A call that is not dropped reports nothing.
    pub(crate) fn on_abandoned(
        mut self,
        report: impl FnOnce(Option<Value>) + Send + 'static,
    ) -> Self {
        self.rare().abandonment = Some(Abandonment::new(report));
        self
    }

    /// Says which servers have the command.
    pub(crate) fn needs(mut self, servers: &'static str) -> Self {
        self.rare().needs = Some(servers);
        self
    }
}
