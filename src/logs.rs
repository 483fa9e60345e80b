//! The events that the crate logs: the only place with their levels, targets, messages and fields.
//! Each call is one event; whether it is due is for the caller to decide. No field has a value, a
//! password or an argument of a command.

use std::fmt::Display;
use std::time::Duration;

use tracing::field::display;
use tracing::{error, info, warn};

const CONNECTION: &str = "redis_collections::connection";
const FAILOVER: &str = "redis_collections::failover";
const QUEUE: &str = "redis_collections::queue";
#[cfg(feature = "near-cache")]
const NEAR_CACHE: &str = "redis_collections::near_cache";
const SUBSCRIPTION: &str = "redis_collections::subscription";
const READ_THROUGH: &str = "redis_collections::read_through";
#[cfg(feature = "keyword")]
const KEYWORD: &str = "redis_collections::keyword";

pub(crate) fn connection_lost(server: &str, error: &dyn Display) {
    warn!(target: CONNECTION, %server, %error, "lost the connection to a server");
}

pub(crate) fn connection_restored(server: &str, outage: Duration) {
    let outage_ms = milliseconds(outage);
    info!(target: CONNECTION, %server, outage_ms, "restored the connection to a server");
}

pub(crate) fn demoted(server: &str, code: &str) {
    warn!(target: FAILOVER, %server, %code, "a server is not a master");
}

pub(crate) fn promoted(server: &str) {
    info!(target: FAILOVER, %server, "a server is a master again");
}

pub(crate) fn failed_over(from: &str, to: &str, slots: usize) {
    warn!(target: FAILOVER, %from, %to, slots, "another server is the master");
}

pub(crate) fn lease_lost(queue: &[u8], consumer: &dyn Display, jobs: usize) {
    let queue = queue.escape_ascii();
    warn!(target: QUEUE, %queue, %consumer, jobs, "a consumer lost its lease");
}

pub(crate) fn jobs_taken_over(queue: &[u8], consumers: usize, jobs: usize, buried: usize) {
    let queue = queue.escape_ascii();
    warn!(target: QUEUE, %queue, consumers, jobs, buried, "took over the jobs of lost consumers");
}

pub(crate) fn job_failed(
    queue: &[u8],
    job: Option<&str>,
    deliveries: u32,
    delay: Duration,
    error: &str,
) {
    let (queue, job, delay_ms) = (queue.escape_ascii(), job.map(display), milliseconds(delay));
    warn!(target: QUEUE, %queue, job, deliveries, delay_ms, %error, "a job failed and is retried");
}

pub(crate) fn job_buried(queue: &[u8], job: Option<&str>, deliveries: u32, error: &str) {
    let (queue, job) = (queue.escape_ascii(), job.map(display));
    error!(target: QUEUE, %queue, job, deliveries, %error, "a job goes to the dead-letter queue");
}

pub(crate) fn job_undecodable(queue: &[u8], job: Option<&str>, deliveries: u32, error: &str) {
    let (queue, job) = (queue.escape_ascii(), job.map(display));
    error!(target: QUEUE, %queue, job, deliveries, %error, "a job cannot be decoded");
}

pub(crate) fn setting_replaced(queue: &[u8], setting: &str, from: u64, to: u64) {
    let queue = queue.escape_ascii();
    warn!(target: QUEUE, %queue, %setting, from, to, "replaced a setting of another program");
}

pub(crate) fn setting_overruled(queue: &[u8], setting: &str, from: u64, to: u64) {
    let queue = queue.escape_ascii();
    warn!(target: QUEUE, %queue, %setting, from, to, "another program overrules a setting");
}

#[cfg(feature = "near-cache")]
pub(crate) fn near_cache_disconnected(cache: &str) {
    warn!(target: NEAR_CACHE, %cache, "a near cache is disconnected");
}

#[cfg(feature = "near-cache")]
pub(crate) fn near_cache_restored(cache: &str, outage: Duration) {
    let outage_ms = milliseconds(outage);
    info!(target: NEAR_CACHE, %cache, outage_ms, "a near cache is connected again");
}

pub(crate) fn foreign_writes_unseen(collection: &[u8], error: &dyn Display) {
    let collection = collection.escape_ascii();
    warn!(target: SUBSCRIPTION, %collection, %error, "changes that no writer publishes are unseen");
}

pub(crate) fn loads_without_redis(cache: &[u8], error: &dyn Display) {
    let cache = cache.escape_ascii();
    warn!(target: READ_THROUGH, %cache, %error, "a read-through cache loads without Redis");
}

#[cfg(feature = "keyword")]
pub(crate) fn request_unanswered(keyword: &dyn Display, error: &dyn Display) {
    warn!(target: KEYWORD, %keyword, %error, "a request was left unanswered");
}

#[cfg(feature = "keyword")]
pub(crate) fn request_dropped(keyword: &dyn Display) {
    warn!(target: KEYWORD, %keyword, "requests are dropped because too many are waiting");
}

#[cfg(feature = "keyword")]
pub(crate) fn value_undetermined(keyword: &dyn Display, error: &dyn Display) {
    warn!(target: KEYWORD, %keyword, %error, "the value of a keyword could not be determined");
}

#[cfg(feature = "keyword")]
pub(crate) fn value_dropped(keyword: &dyn Display) {
    warn!(target: KEYWORD, %keyword, "a previous value is no longer allowed and was dropped");
}

#[cfg(feature = "keyword")]
pub(crate) fn lease_left(service: &dyn Display, error: &dyn Display) {
    warn!(target: KEYWORD, %service, %error, "the lease of a dispatcher is left to expire");
}

#[cfg(feature = "keyword")]
pub(crate) fn changes_missed(keyword: &dyn Display) {
    warn!(target: KEYWORD, %keyword, "an `on_change` is too slow and misses changes");
}

#[cfg(feature = "keyword")]
pub(crate) fn change_hook_panicked(keyword: &dyn Display) {
    error!(target: KEYWORD, %keyword, "an `on_change` panicked");
}

#[cfg(feature = "keyword")]
pub(crate) fn watch_callback_failed(keyword: &dyn Display, error: &dyn Display) {
    error!(target: KEYWORD, %keyword, %error, "the callback of a watch failed");
}

#[cfg(feature = "keyword")]
pub(crate) fn watch_interrupted(error: &dyn Display) {
    warn!(target: KEYWORD, %error, "a watch cannot read its keywords");
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
