//! The servers of a client, and the slots that they own.

mod cluster;
mod failover;
mod sentinel;
mod server_map;
mod servers;
mod slots;

#[cfg(test)]
pub(crate) use self::cluster::read_slots;
pub(crate) use self::cluster::{Seeds, check_alike};
pub(crate) use self::sentinel::Sentinels;
pub(crate) use self::servers::{Destination, Discovery, RouteVersion, Servers};
pub(crate) use self::slots::Topology;
