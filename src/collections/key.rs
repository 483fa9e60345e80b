use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::map::Ttl;
use super::map::ttl;
use super::name::Name;
use crate::changes::ChangePublishing;
use crate::client::{Client, Executor};
use crate::reply;
use crate::request::Request;

/// The single key under which a hash, list or set is stored.
#[derive(Debug, Clone)]
pub struct RedisKey<E = Client> {
    executor: E,
    name: Name,
    publishing: Option<Arc<ChangePublishing>>,
}

impl<E: Executor> RedisKey<E> {
    pub(crate) fn new(
        executor: &E,
        name: &Name,
        publishing: &Option<Arc<ChangePublishing>>,
    ) -> Self {
        Self { executor: executor.clone(), name: name.clone(), publishing: publishing.clone() }
    }

    /// The key's name.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// Returns whether the key exists. `EXISTS`, O(1).
    pub fn exists(&self) -> E::Reply<bool> {
        self.executor.run(Request::read("EXISTS").named(self.name()).returns(reply::flag))
    }

    /// Removes the key after `time` and returns whether it existed. `PEXPIRE`, O(1).
    ///
    /// A `time` of zero is refused.
    pub fn expire(&self, time: Duration) -> E::Reply<bool> {
        let request = self.writing("PEXPIRE").milliseconds(time);
        self.executor.run(request.returns(reply::flag))
    }

    /// Removes the key at `time` and returns whether it existed. `PEXPIREAT`, O(1).
    pub fn expire_at(&self, time: SystemTime) -> E::Reply<bool> {
        let request = self.writing("PEXPIREAT").instant(time);
        self.executor.run(request.returns(reply::flag))
    }

    /// Removes the expiration and returns whether there was one. `PERSIST`, O(1).
    pub fn persist(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("PERSIST").returns(reply::flag))
    }

    /// The remaining time to live. `PTTL`, O(1).
    pub fn ttl(&self) -> E::Reply<Ttl> {
        self.executor.run(Request::read("PTTL").named(self.name()).returns(ttl::ttl))
    }

    /// Removes the key and returns whether it existed. `UNLINK`, O(1) for the caller.
    pub fn remove(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK").returns(reply::flag))
    }

    fn writing(&self, command: &'static str) -> Request {
        Request::write(command).publishes(&self.publishing).named(self.name())
    }
}
