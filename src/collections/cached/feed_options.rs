//! The feed from which a near cache receives the changes of its collection.

use super::cacheable::Cacheable;
use super::settings::{ChangeSource, NearCacheSettings};
use crate::keys::side_key_of;
use crate::listen::FeedOptions;
use crate::request::Request;

/// The feed options of a cache of `collection`.
pub(super) fn feed_options<D: Cacheable>(
    collection: &D,
    settings: &NearCacheSettings,
) -> FeedOptions {
    let (base, slot) = collection.base();
    let sources = collection.sources();
    let forget = Request::read("SUBSCRIBE").arg(forget_channel(collection));
    let (beat, silence) = (settings.beat(), settings.silence());
    let common = FeedOptions { slot, needs_rights: true, beat, silence, ..FeedOptions::new(base) };
    match settings.changes {
        ChangeSource::Server => {
            let track = Request::read("CLIENT").arg("TRACKING").arg("ON").arg("BCAST");
            let track = match &common.base[..] {
                b"" => track,
                base => track.arg("PREFIX").arg(base),
            };
            FeedOptions { commands: vec![track, forget], tracks: true, ..common }
        }
        ChangeSource::Writers => FeedOptions {
            commands: sources.commands().into_iter().chain([forget]).collect(),
            optional_commands: sources.optional_commands(&common.base),
            keyspace: Some(sources.kinds()),
            ..common
        },
    }
}

/// The channel that asks all near caches of `collection` to empty themselves.
pub(super) fn forget_channel<D: Cacheable>(collection: &D) -> Vec<u8> {
    let structure = collection.sources().structure.name();
    side_key_of(&collection.base().0, "forget", structure.as_bytes())
}
