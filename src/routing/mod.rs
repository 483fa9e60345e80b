//! The routing of requests to the servers that serve them.

mod blocking_wait;
mod call;
mod fan_out;
mod pending_command;
mod redirects;
mod retry_decision;
mod router;
mod scan_page;
mod silent_wait;

pub(crate) use self::pending_command::with_source_once;
pub(crate) use self::router::Router;
pub(crate) use self::scan_page::ScanOrigin;
