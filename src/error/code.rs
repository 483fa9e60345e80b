//! The meaning of the codes of servers' refusals, in one table that answers the questions of all
//! parts of the crate.

/// The condition under which a refused command succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Another server, or the same one after a failover or a move of slots.
    AnotherServer,
    /// Time: the server itself is busy, full or cannot persist for the moment.
    Time,
    /// Another request, other data, or other rights.
    Change,
}

/// Returns the remedy of a refusal with this code. A server that refuses with any code did not run
/// the command; of a script, it refuses the first write.
pub(crate) fn remedy(code: &str) -> Remedy {
    match code {
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "NOREPLICAS"
        | "UNBLOCKED" => Remedy::AnotherServer,
        "BUSY" | "MISCONF" | "OOM" => Remedy::Time,
        _ => Remedy::Change,
    }
}

/// Returns whether the same command may succeed later without any change.
pub(crate) fn is_transient(code: &str) -> bool {
    remedy(code) != Remedy::Change
}

/// Returns whether the server lacks memory or disk, which lasts until room is made.
#[cfg(any(test, feature = "keyword"))]
pub(crate) fn lacks_room(code: &str) -> bool {
    matches!(code, "OOM" | "MISCONF")
}

/// Returns whether the server is not, or no longer, one for this command, so that a new connection
/// to the same address may reach another one: behind a name or a load balancer a demoted master
/// keeps its connections.
pub(crate) fn asks_to_reconnect(code: &str) -> bool {
    is_no_master(code) || code == "UNBLOCKED"
}

/// Returns whether the server says that it is no master.
pub(crate) fn is_no_master(code: &str) -> bool {
    matches!(code, "READONLY" | "MASTERDOWN")
}

/// Returns whether a server that answers a `PING` with this code has accepted the connection,
/// though it may not or cannot serve it for the moment. A server that accepts no more clients uses
/// other codes.
#[cfg(feature = "async")]
pub(crate) fn serves(code: &str) -> bool {
    is_transient(code) || matches!(code, "NOPERM" | "NOAUTH")
}

/// Returns whether a script that fails with this code has changed nothing: it was refused as a
/// whole, or at its first write.
pub(crate) fn refuses_whole_script(code: &str) -> bool {
    (is_transient(code) && code != "UNBLOCKED") || matches!(code, "NOPERM" | "NOAUTH")
}

/// Returns whether a server that refuses a new connection with this code does so until the client's
/// user, password or rights change.
pub(crate) fn refuses_connections(code: &str) -> bool {
    matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM" | "DENIED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_its_remedy() {
        for (code, helps, reconnects, whole_script) in [
            ("TRYAGAIN", Remedy::AnotherServer, false, true),
            ("CLUSTERDOWN", Remedy::AnotherServer, false, true),
            ("LOADING", Remedy::AnotherServer, false, true),
            ("MASTERDOWN", Remedy::AnotherServer, true, true),
            ("READONLY", Remedy::AnotherServer, true, true),
            ("NOREPLICAS", Remedy::AnotherServer, false, true),
            ("UNBLOCKED", Remedy::AnotherServer, true, false),
            ("BUSY", Remedy::Time, false, true),
            ("MISCONF", Remedy::Time, false, true),
            ("OOM", Remedy::Time, false, true),
            ("NOPERM", Remedy::Change, false, true),
            ("NOAUTH", Remedy::Change, false, true),
            ("WRONGTYPE", Remedy::Change, false, false),
            ("ERR", Remedy::Change, false, false),
        ] {
            assert_eq!(remedy(code), helps, "{code}");
            assert_eq!(asks_to_reconnect(code), reconnects, "{code}");
            assert_eq!(refuses_whole_script(code), whole_script, "{code}");
        }
    }
}
