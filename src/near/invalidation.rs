//! What a near cache hears: of the servers, and of the writes of its own program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cache::Cache;
use super::source::{Concerned, Source};
use crate::client::Witness;
use crate::connection::Speech;
use crate::events::{Interpreter, Told};
use crate::listen::{Audience, Situation};
use crate::request::Request;

/// Forgets what the servers say has changed.
pub(crate) struct Hearing<S, V> {
    pub(crate) cache: Arc<Cache<V>>,
    pub(crate) source: Arc<S>,
    /// Who understands what writers tell.
    pub(crate) interpreter: Mutex<Interpreter>,
    /// Where programs tell all caches to begin anew.
    pub(crate) forget: Vec<u8>,
    /// What statistics call the cache.
    #[cfg(feature = "metrics")]
    pub(crate) name: String,
}

impl<S, V> Hearing<S, V> {
    fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        self.interpreter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Source, V: Send + Sync + 'static> Audience for Hearing<S, V> {
    fn hear(&self, server: usize, speech: Speech<'_>) {
        match speech {
            Speech::Changed(key) => forget(&self.cache, self.source.concerned(key)),
            Speech::Flushed => self.cache.cleared(),
            Speech::Message { channel, .. } if *channel == *self.forget => self.cache.cleared(),
            Speech::Message { channel, payload } => {
                // Before it is connected there is nothing to forget.
                let Some(topology) = self.cache.topology() else { return };
                let mut tell = |told: Told<'_>| forget(&self.cache, self.source.told(told));
                self.interpreter().hear((server, &topology), (channel, payload), &mut tell);
            }
            Speech::Role { .. } | Speech::Ended => {}
        }
    }

    fn connected(&self, session: u64, situation: Situation, proof: u64) {
        self.interpreter().restart(situation.tells_keys);
        self.cache.connected(session, situation, proof);
    }

    fn proven(&self, session: u64, proof: u64, lag: Duration) {
        self.cache.proven(session, proof, lag);
    }

    fn lost(&self, session: u64) {
        self.cache.lost(session);
    }

    #[cfg(feature = "metrics")]
    fn beat(&self) {
        super::report::report(&self.name, &self.cache.stats());
    }
}

/// Forgets what the program itself wrote, so that it never reads older values afterwards.
pub(crate) struct Own<S, V> {
    pub(crate) cache: Arc<Cache<V>>,
    pub(crate) source: Arc<S>,
}

impl<S: Source, V: Send + Sync + 'static> Witness for Own<S, V> {
    fn ended(&self, write: &Request) {
        self.source.written(write).into_iter().for_each(|concerned| forget(&self.cache, concerned));
    }
}

fn forget<V: Send + Sync + 'static>(cache: &Cache<V>, concerned: Concerned<'_>) {
    match concerned {
        Concerned::Nothing => {}
        Concerned::Entry(key) => cache.changed(key),
        Concerned::All => cache.cleared(),
    }
}
