//! Change publishing: the formats and channels in which collections publish their changes.

mod message;

pub(crate) use self::message::{Kind, MAX_CHANGES, parse, texts};

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use crate::keys::prefix_slot;
use crate::keys::{into_slot, side_key_of};
use crate::random::unique_id;

/// The format in which a collection publishes its changes: a `PUBLISH` with each write, in one
/// script.
///
/// # The format `Own`
///
/// Messages go to the channel `<prefix>~rc:changes:dict`, `<name>~rc:changes:hash`,
/// `<name>~rc:changes:list` or `<name>~rc:changes:set`, and read `1 <instance> <stream> <sequence>
/// <changes>`:
///
/// * `instance` identifies the process that wrote: 16 hexadecimal digits, new with each start.
/// * `stream` is `-`, or in a cluster the slot of the changed keys.
/// * `sequence` counts the messages of this collection in this stream; a gap means that messages
///   were lost. It restarts if the server lost its data.
/// * `changes` are up to 1,000, one after the other, each `<kind><length>:<bytes>`. The bytes are
///   the key of an entry without the prefix, the field of a hash, the member of a set, or for a
///   list the number of items in decimal. There are none if a hash, list or set was changed as a
///   whole. A change without a kind has that of the one before.
///
/// | kind | meaning |
/// |---|---|
/// | `I` | inserted |
/// | `U` | updated |
/// | `R` | removed |
/// | `T` | has another time to live, or none any more |
/// | `C` | all removed |
/// | `V` | the previous message did not happen: the command failed |
///
/// Messages are published before the write, and the server shows no client the one without the
/// other. A write is not made if the user lacks the right to publish it on the channel. Changes
/// without a command are not published: the end of a time to live, evictions, `FLUSHALL`. Nor are
/// calls that wait for an item of a list, and writes through a handle without publishing.
///
/// Publishing a write of many entries in one step takes the server several times as long as the
/// write, and blocks it meanwhile: `extend` writes in batches of a thousand. Fields that are written
/// to or removed from a hash more than twice as large are looked up one by one, which takes longer.
///
/// The sequence is a field of the hash `<name>~rc:sequences:<kind>`, so that a user with rights to
/// keys that begin with the name may write it. In a cluster there is one for each slot; if the name
/// has no hash tag, six more digits bring it there. While such a slot moves from node to node,
/// writes whose keys are not all on one of them wait until it has moved. Then messages of the new
/// node may overtake the last ones of the old node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeFormat {
    /// The changes, in sequence: for programs that use this crate.
    Own,
    /// The format of Python's `redis_pubsub_dict`, for a `RedisDict` whose prefix ends in `/`: the
    /// key is published to the channel `<prefix>update` or `<prefix>delete`, a message for each
    /// key.
    PubSubDict,
    /// The format of Python's `redis-pydict`, for a `RedisDict` whose prefix ends in `&&`: this id
    /// is published to the channel `event_<prefix><key>` of each key that is set. Removals are not
    /// published: they would crash a Python subscriber.
    PyDict(String),
}

/// The kind of collection whose changes are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structure {
    Dict,
    Hash,
    List,
    Set,
}

/// The publishing settings of a collection.
#[derive(Debug)]
pub(crate) struct ChangePublishing {
    structure: Structure,
    /// The collection's key, or the prefix of all its keys.
    name: Vec<u8>,
    formats: Vec<ChangeFormat>,
    settings: OnceLock<Vec<Vec<u8>>>,
}

impl ChangePublishing {
    /// The formats of `others`, if any, and another one.
    pub(crate) fn adding(
        others: Option<&Self>,
        structure: Structure,
        name: impl Into<Vec<u8>>,
        format: ChangeFormat,
    ) -> Self {
        let mut publishing = Self::of(others, structure, name);
        if !publishing.formats.contains(&format) {
            publishing.formats.push(format);
        }
        publishing
    }

    /// The publishing settings of a collection that may publish nothing.
    pub(crate) fn of(
        publishing: Option<&Self>,
        structure: Structure,
        name: impl Into<Vec<u8>>,
    ) -> Self {
        let formats = publishing.map(|publishing| publishing.formats.clone()).unwrap_or_default();
        Self { structure, name: name.into(), formats, settings: OnceLock::new() }
    }

    /// The reason why the collection cannot publish its changes in these formats, if there is one.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.formats.iter().find_map(|format| match (format, self.structure) {
            (ChangeFormat::Own, _) => None,
            (_, Structure::Hash | Structure::List | Structure::Set) => Some(ONLY_A_DICT),
            (ChangeFormat::PubSubDict, _) => (!self.name.ends_with(b"/")).then_some(SLASH),
            (ChangeFormat::PyDict(_), _) => (!self.name.ends_with(b"&&")).then_some(AMPERSANDS),
        })
    }
    /// The settings of the script, which it takes from the end.
    pub(crate) fn settings(&self) -> &[Vec<u8>] {
        self.settings.get_or_init(|| {
            let flag = |format| if self.formats.contains(format) { b"1" } else { b"0" }.to_vec();
            let ids = self.formats.iter().rev().filter_map(|format| match format {
                ChangeFormat::PyDict(id) => Some(id.as_bytes().to_vec()),
                _ => None,
            });
            let mut settings: Vec<_> = ids.collect();
            settings.push(settings.len().to_string().into_bytes());
            settings.push(flag(&ChangeFormat::PubSubDict));
            settings.push(flag(&ChangeFormat::Own));
            settings.push(self.name.clone());
            settings.push(self.structure.name().into());
            settings
        })
    }
}

/// The accessors for readers of change messages.
impl ChangePublishing {
    pub(crate) fn structure(&self) -> Structure {
        self.structure
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn formats(&self) -> &[ChangeFormat] {
        &self.formats
    }

    /// Returns whether changes are published in the format `Own` and no other.
    pub(crate) fn publishes_own_alone(&self) -> bool {
        self.formats == [ChangeFormat::Own]
    }

    /// The channel of the format `Own`.
    pub(crate) fn own_channel(&self) -> Vec<u8> {
        side_key_of(&self.name, CHANGES, self.structure.name().as_bytes())
    }

    /// The key of the sequences, in a cluster of those of a slot.
    pub(crate) fn sequences(&self, slot: Option<u16>) -> Vec<u8> {
        let key = side_key_of(&self.name, SEQUENCES, self.structure.name().as_bytes());
        match slot {
            Some(slot) if prefix_slot(&self.name).is_none() => into_slot(key, slot),
            _ => key,
        }
    }

    /// The channels of the format `PubSubDict`: for set keys, and for removed ones.
    pub(crate) fn pubsub_dict_channels(&self) -> [Vec<u8>; 2] {
        [[&self.name[..], b"update"].concat(), [&self.name[..], b"delete"].concat()]
    }

    /// The channel of the format `PyDict` for one key.
    pub(crate) fn py_dict_channel(&self, key: &[u8]) -> Vec<u8> {
        [b"event_", &self.name[..], key].concat()
    }
}

impl Structure {
    /// The name of the structure in channels and keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Structure::Dict => "dict",
            Structure::Hash => "hash",
            Structure::List => "list",
            Structure::Set => "set",
        }
    }
}

/// The first part of this process's messages; `stream` is the slot of the changed keys in a
/// cluster.
pub(crate) fn head(stream: Option<u16>) -> Cow<'static, str> {
    static WITHOUT_A_STREAM: LazyLock<String> = LazyLock::new(|| format!("1 {} - ", *INSTANCE));
    match stream {
        Some(slot) => format!("1 {} {slot} ", *INSTANCE).into(),
        None => WITHOUT_A_STREAM.as_str().into(),
    }
}

/// A script that does the work of `source` and publishes its changes, or that runs the command in
/// its arguments.
pub(crate) fn publishing_source(source: Option<&str>) -> String {
    match source {
        Some(source) => [PRELUDE, LOOK, RUN, WITHIN, source].join("\n"),
        None => [PRELUDE, LOOK, RUN, COMMAND].join("\n"),
    }
}

/// The script of the writes of one entry for which [`ChangePublishing::publishes_own_alone`].
pub(crate) const QUICK: &str = include_str!("lua/quick.lua");

/// The kind of the channels of the format `Own`; `prelude.lua` contains it too.
const CHANGES: &str = "changes";
const SEQUENCES: &str = "sequences";

const PRELUDE: &str = include_str!("lua/prelude.lua");
const LOOK: &str = include_str!("lua/look.lua");
const RUN: &str = include_str!("lua/run.lua");
const COMMAND: &str = include_str!("lua/command.lua");
const WITHIN: &str = include_str!("lua/within.lua");

static INSTANCE: LazyLock<String> = LazyLock::new(|| unique_id()[..16].to_owned());

const ONLY_A_DICT: &str = "only a `RedisDict` can publish changes in this format";
const SLASH: &str = "the format `PubSubDict` needs a prefix that ends in `/`: \
                     `with_prefix(client, \"users/\")`";
const AMPERSANDS: &str = "the format `PyDict` needs a prefix that ends in `&&`: \
                          `with_prefix(client, \"users&&\")`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_of_python_needs_a_dict_with_its_prefix() {
        use ChangeFormat::{Own, PubSubDict, PyDict};
        use Structure::{Dict, Hash, List, Set};
        let py_dict = || PyDict("id".to_owned());
        for (structure, name, format, refusal) in [
            (Dict, "a:", Own, None),
            (Dict, "a/", PubSubDict, None),
            (Dict, "a:", PubSubDict, Some(SLASH)),
            (Dict, "a&&", py_dict(), None),
            (Dict, "a&", py_dict(), Some(AMPERSANDS)),
            (Hash, "a/", Own, None),
            (Hash, "a/", PubSubDict, Some(ONLY_A_DICT)),
            (List, "a&&", py_dict(), Some(ONLY_A_DICT)),
            (Set, "a/", PubSubDict, Some(ONLY_A_DICT)),
        ] {
            let publishing = ChangePublishing::adding(None, structure, name, format);
            assert_eq!(publishing.refusal(), refusal, "{publishing:?}");
        }
    }

    #[test]
    fn channels_have_the_name_of_the_collection() {
        let dict = ChangePublishing::adding(None, Structure::Dict, "a&&", ChangeFormat::Own);
        let set = ChangePublishing::adding(None, Structure::Set, "s", ChangeFormat::Own);
        assert_eq!(dict.own_channel(), b"a&&~rc:changes:dict");
        assert_eq!(set.own_channel(), b"s~rc:changes:set");
        assert_eq!(dict.pubsub_dict_channels(), [&b"a&&update"[..], b"a&&delete"]);
        assert_eq!(dict.py_dict_channel(b"k"), b"event_a&&k");
    }

    #[test]
    fn an_instance_is_sixteen_hexadecimal_digits() {
        let digits = INSTANCE.bytes().filter(u8::is_ascii_hexdigit).count();
        assert_eq!((INSTANCE.len(), digits), (16, 16));
        assert_eq!(head(Some(7)), format!("1 {} 7 ", *INSTANCE));
    }
}
