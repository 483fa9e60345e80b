//! Finds out whether services are served.

use std::collections::HashSet;
use std::time::Duration;

use crate::client::RoundTrips;
use crate::command::Command;
use crate::command::Part;
use crate::error::Result;
use crate::keys::escape;
use crate::keyword::names::{REGISTRY, ServiceName};
use crate::limits::ENTRIES_PER_COMMAND;
use crate::reply;
use crate::request::Request;

/// A registered service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceState {
    /// The name, in lower case.
    pub name: String,
    /// Whether a dispatcher serves. The name of a crashed dispatcher stays registered.
    pub is_served: bool,
    /// How long ago the dispatcher renewed its lease. `None` for a Cauldron dispatcher.
    pub heartbeat: Option<Duration>,
}

/// Returns the state of each service. A dispatcher without a lease is a Cauldron dispatcher, and is
/// recognized by its channel subscriptions: those of all keywords, if a crashed dispatcher of this
/// crate has left descriptions of them.
pub(crate) async fn states<E: RoundTrips>(
    executor: &E,
    services: &[ServiceName],
) -> Result<Vec<ServiceState>> {
    let mut states = Vec::with_capacity(services.len());
    for page in services.chunks(ENTRIES_PER_COMMAND) {
        let heartbeats = heartbeats(executor, page).await?;
        let without = page.iter().zip(&heartbeats).filter(|(_, heartbeat)| heartbeat.is_none());
        let channels = without.map(|(service, _)| {
            let pattern = [escape(&service.values()), b"*".to_vec()].concat();
            let channels = Request::read("PUBSUB").arg("CHANNELS").arg(pattern);
            let described = Request::read("HKEYS").key(&service.descriptions());
            [channels, described].map(|request| request.returns(reply::many::<Vec<u8>>))
        });
        let found: Vec<_> = channels.flatten().collect();
        let mut found = executor.send_all(found).await?.into_iter();
        for (service, heartbeat) in page.iter().zip(heartbeats) {
            let is_served = heartbeat.is_some() || {
                let mut next = || found.next().unwrap_or(Ok(Vec::new()));
                let (channels, described) = (next()?, next()?);
                let subscribed = channels.iter().filter_map(|channel| service.keyword(channel));
                let subscribed: HashSet<_> =
                    subscribed.map(|it| it.as_str().as_bytes().to_vec()).collect();
                let is_complete =
                    !subscribed.is_empty() && described.iter().all(|it| subscribed.contains(it));
                is_complete && described.len() != 1
            };
            states.push(ServiceState { name: service.as_str().to_owned(), is_served, heartbeat });
        }
    }
    Ok(states)
}

/// Returns how long ago each dispatcher renewed its lease. One round trip.
pub(crate) async fn heartbeats<E: RoundTrips>(
    executor: &E,
    services: &[ServiceName],
) -> Result<Vec<Option<Duration>>> {
    let leases: Vec<_> = services.iter().map(ServiceName::lease).collect();
    let left = leases.iter().map(|lease| Request::read("PTTL").key(lease).time_left_part());
    let holders = leases.iter().map(|lease| Request::read("GET").key(lease).value_part());
    let mut replies = executor.send_all(left.chain(holders).collect::<Vec<_>>()).await?.into_iter();
    let left = replies.by_ref().take(leases.len()).map(|left| left.map(Part::integers));
    let left = left.collect::<Result<Vec<_>>>()?.into_iter().flatten();
    let holders = replies.map(|holder| holder.map(Part::values));
    let holders = holders.collect::<Result<Vec<_>>>()?.into_iter().flatten();
    Ok(left.zip(holders).map(|(left, holder)| heartbeat(left, holder)).collect())
}

/// Returns whether a dispatcher holds the lease.
pub(crate) fn is_held(service: &ServiceName) -> Command<bool> {
    Request::read("EXISTS").key(&service.lease()).returns(reply::flag)
}

/// Returns whether the name is registered, by which Cauldron dispatchers recognize each other.
pub(crate) fn is_registered(service: &ServiceName) -> Command<bool> {
    let is_member = Request::read("SISMEMBER").key(REGISTRY.as_bytes()).arg(service.as_str());
    is_member.returns(reply::flag)
}

/// Treats the service as registered for a user that may read only the keys of one service.
pub(crate) fn unless_forbidden(is_registered: Result<bool>) -> Result<bool> {
    match is_registered {
        Err(error) if error.code() == Some("NOPERM") => Ok(true),
        is_registered => is_registered,
    }
}

/// Returns whether keywords are described, as a dispatcher of this crate does.
pub(crate) fn describes(service: &ServiceName) -> Command<bool> {
    Request::read("EXISTS").key(&service.descriptions()).returns(reply::flag)
}

/// Returns whether a service is served. A dispatcher that describes its keywords has a lease; a
/// Cauldron dispatcher has neither.
pub(crate) fn serves(is_held: bool, is_registered: bool, is_described: bool) -> bool {
    is_held || is_registered && !is_described
}

/// Returns whether a service is served, and for how long that holds if nothing more is received
/// from its dispatcher. One round trip.
pub(crate) async fn served_status<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
) -> Result<(bool, Option<Duration>)> {
    let left = Request::read("PTTL").key(&service.lease()).returns(reply::time_left);
    let (left, described, registered) =
        executor.send_all((left, describes(service), is_registered(service))).await?;
    let left = u64::try_from(left?).ok().map(Duration::from_millis);
    let is_registered = unless_forbidden(registered)?;
    Ok((serves(left.is_some(), is_registered, described?), left))
}

/// Returns how long ago a lease was renewed. Its holder's id ends with the milliseconds it lasts.
fn heartbeat(left: i64, holder: Option<Vec<u8>>) -> Option<Duration> {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
    let holder = holder?;
    let lasts = holder.rsplit(|byte| *byte == b'/').next().filter(|end| end.len() < holder.len());
    let lasts = lasts.and_then(number).unwrap_or(USUAL);
    u64::try_from(lasts.checked_sub(left)?).ok().map(Duration::from_millis)
}

/// The lease in milliseconds, for a holder whose id does not state it.
const USUAL: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_the_elapsed_part_of_the_lease() {
        for (left, holder, passed) in [
            (9000, Some("a1/10000"), Some(1000)),
            (200, Some("a1/500"), Some(300)),
            (9000, Some("a1"), Some(1000)),
            (9000, Some("a1/-9223372036854775808"), None),
            (-2, None, None),
        ] {
            let holder = holder.map(Into::into);
            assert_eq!(heartbeat(left, holder), passed.map(Duration::from_millis));
        }
    }
}
