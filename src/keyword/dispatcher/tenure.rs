//! How a dispatcher takes the name of its service, and gives it back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::scripts::{CLAIM, LEAVE};
use super::service::Service;
use crate::client::Machinery;
use crate::client::RoundTrips;
use crate::error::{Applied, Error, Result};
use crate::keyword::names::REGISTRY;
use crate::reply;
use crate::request::Request;
use crate::time::{Deadline, Signal, finish};

impl<E: RoundTrips> Service<E> {
    /// Takes the name, as soon as no other dispatcher holds it, or fails when the time is over.
    pub(super) async fn claim(&self, deadline: Deadline) -> Result<()> {
        loop {
            let claimed = self.try_to_claim().await;
            match claimed {
                Ok(true) => return Ok(()),
                Ok(false) if deadline.is_over() => {
                    let attempt = Box::new(self.names.attempt_to("serve"));
                    return Err(Error::AlreadyServed { attempt });
                }
                Err(error) if deadline.is_over() || !error.is_transient() => return Err(error),
                _ => self.rest(deadline.left().min(BETWEEN_CLAIMS)).await,
            }
        }
    }

    async fn try_to_claim(&self) -> Result<bool> {
        let names = &self.names;
        let claim = Request::script(&CLAIM, 3).key(REGISTRY.as_bytes()).key(&names.descriptions());
        let claim = self.leased(claim).arg(names.as_str()).arg(names.values()).arg(self.pattern());
        let claim = claim.arg(names.all_changes());
        let claim = self.slots.keys().fold(claim, |claim, name| claim.arg(name.as_str()));
        self.may_hold_name.store(true, Ordering::Release);
        let claimed = self.executor.send(claim.returns(reply::flag)).await;
        let is_refused = match &claimed {
            Ok(claimed) => !claimed,
            Err(error) => error.applied() == Applied::No,
        };
        if is_refused {
            self.may_hold_name.store(false, Ordering::Release);
        }
        claimed.map_err(|error| error.about(names.attempt_to("serve")))
    }

    /// Gives the name back, if it is still its own.
    pub(super) async fn leave<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        let names = &self.names;
        let leave = Request::script(&LEAVE, 4).key(&names.lease()).key(REGISTRY.as_bytes());
        let leave = leave.key(&names.descriptions()).key(&names.times());
        let leave = leave.arg(&self.id).arg(names.as_str()).arg(names.all_changes());
        executor.send(leave.returns(reply::applied)).await?;
        self.may_hold_name.store(false, Ordering::Release);
        Ok(())
    }

    /// Gives the name back before this returns, for the program may end next, and its worker with it. Where the
    /// server cannot be reached in time, the lease runs out.
    ///
    /// The worker does it if it goes on meanwhile, after it has refused what waits. Otherwise it is done on a
    /// thread with a connection of its own.
    pub(super) fn part(self: &Arc<Self>, has_worker: bool) {
        self.life.close(Duration::ZERO);
        if !self.may_hold_name.load(Ordering::Acquire) {
            return;
        }
        let is_awaited = has_worker && self.executor.background_goes_on();
        let (service, client) = (self.clone(), self.executor.threaded());
        let parted = Arc::new(Signal::default());
        let parting = parted.clone();
        let part = move || {
            if is_awaited {
                finish(client.wait(service.life.end.outcome(), FOR_WORKER));
            }
            if service.may_hold_name.load(Ordering::Acquire) {
                service.life.part(FOR_CALLS);
                if let Err(error) = finish(service.leave(&client)) {
                    log::warn!("{}: its lease is left to run out: {error}", service.names);
                }
            }
            parting.close();
        };
        if thread::Builder::new().name("redis-parting".into()).spawn(part).is_ok() {
            parted.block(FOR_PARTING);
        }
    }
}

/// How often to look whether a name is free.
const BETWEEN_CLAIMS: Duration = Duration::from_millis(250);
/// How long a dispatcher that is dropped waits for its worker.
const FOR_WORKER: Duration = Duration::from_secs(1);
/// How long it then waits for what is on its way to the server. What arrives later takes the lease once more, and
/// the worker gives that back.
const FOR_CALLS: Duration = Duration::from_millis(250);
/// How long dropping a dispatcher takes at most.
const FOR_PARTING: Duration = Duration::from_secs(2);
