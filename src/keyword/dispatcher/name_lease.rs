//! Takes the lease on the name of a service.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::DispatcherCore;
use super::scripts::CLAIM;
use crate::client::RoundTrips;
use crate::error::{Applied, Error, KeywordError, Result};
use crate::keyword::names::REGISTRY;
use crate::reply;
use crate::request::Request;
use crate::time::Deadline;

impl<E: RoundTrips> DispatcherCore<E> {
    /// Takes the lease as soon as no other dispatcher holds it, or fails at the deadline.
    pub(crate) async fn claim(&self, deadline: Deadline) -> Result<()> {
        loop {
            let claimed = self.try_to_claim().await;
            match claimed {
                Ok(true) => return Ok(()),
                Ok(false) if deadline.is_over() => {
                    let attempt = Box::new(self.names.attempt_to("serve"));
                    return Err(Error::Keyword { attempt, source: KeywordError::AlreadyServed });
                }
                Err(error) if deadline.is_over() || !error.is_transient() => return Err(error),
                _ => self.rest(deadline.left().min(CLAIM_INTERVAL)).await,
            }
        }
    }

    /// Tries once to take the lease, and returns whether it did. Notes that it may hold it if the
    /// outcome is unknown.
    async fn try_to_claim(&self) -> Result<bool> {
        let names = &self.names;
        let claim = Request::script(&CLAIM, 3).key(REGISTRY.as_bytes()).key(&names.descriptions());
        let claim = self.leased(claim).arg(names.as_str()).arg(names.values()).arg(self.pattern());
        let claim = claim.arg(names.all_changes());
        let claim = self.keywords.keys().fold(claim, |claim, name| claim.arg(name.as_str()));
        self.may_hold_lease.store(true, Ordering::Release);
        let claimed = self.executor.send(claim.returns(reply::flag)).await;
        let is_refused = match &claimed {
            Ok(claimed) => !claimed,
            Err(error) => error.applied() == Applied::No,
        };
        if is_refused {
            self.may_hold_lease.store(false, Ordering::Release);
        }
        claimed.map_err(|error| error.about(names.attempt_to("serve")))
    }
}

/// The pause between two claims.
const CLAIM_INTERVAL: Duration = Duration::from_millis(250);
