//! Background work beside the consumers of a queue: leases are renewed, jobs settled, lost
//! consumers reaped.

mod handle;
mod reaper;
mod thread;

pub(super) use self::handle::MaintenanceHandle;
pub(super) use self::thread::MaintenanceThread;
