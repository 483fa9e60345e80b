//! What collections tell of their changes, and to whom.

mod message;

pub(crate) use self::message::{Kind, parse};

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use crate::keys::prefix_slot;
use crate::keys::{into_slot, side_key_of};
use crate::random::unique_id;

/// In which format a collection tells of its changes: `PUBLISH`ed with each write, in one script.
///
/// # The format `Own`
///
/// Messages go to the channel `<prefix>~rc:changes:dict`, `<name>~rc:changes:hash`,
/// `<name>~rc:changes:list` or `<name>~rc:changes:set`, and read
/// `1 <instance> <stream> <sequence> <changes>`:
///
/// * `instance` is of the process that wrote: 16 hexadecimal digits, new with each start.
/// * `stream` is `-`, or in a cluster the slot of the changed keys.
/// * `sequence` counts the messages of this collection in this stream; what is missing in between
///   was lost. It begins anew where the server lost its data.
/// * `changes` are up to 1,000, one after the other, each `<kind><length>:<bytes>`. The bytes are the
///   key of an entry without the prefix, the field of a hash, the member of a set, or for a list the
///   number of items in decimal. There are none where a hash, list or set was changed as a whole.
///
/// | kind | what happened |
/// |---|---|
/// | `I` | inserted |
/// | `U` | updated |
/// | `R` | removed |
/// | `T` | has another time to live, or none any more |
/// | `C` | all removed |
/// | `V` | the message before did not happen: the command failed |
///
/// Messages come before the write, and the server shows nobody the one without the other. A write
/// of which the user may not tell, for want of a right to the channel, is not made. What happens
/// without a command is not told: the end of a time to live, evictions, `FLUSHALL`. Nor are calls
/// that wait for an item of a list, and what is written through a handle without publishing.
///
/// To tell of a write of many entries at once takes the server many times as long as the write, and it
/// does nothing else meanwhile: `extend` goes by thousands.
///
/// The sequence is a field of the hash `<name>~rc:sequences:<kind>`, so that a user with rights to what begins
/// with the name may write. In a cluster there is one for each slot; where the name has no hash tag, six
/// digits more bring it there.
/// While such a slot moves from node to node, writes whose keys are not all on one of them wait until
/// it has arrived. Then messages of the new node may overtake the last ones of the old node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeFormat {
    /// What changed, in sequence: for programs that use this crate.
    Own,
    /// The format of Python's `redis_pubsub_dict`, for a `RedisDict` whose prefix ends in `/`: the key
    /// to the channel `<prefix>update` or `<prefix>delete`, a message for each key.
    PubSubDict,
    /// The format of Python's `redis-pydict`, for a `RedisDict` whose prefix ends in `&&`: this id to
    /// the channel `event_<prefix><key>` of each key that is set. Of removals nothing is told, since a
    /// Python subscriber would die of it.
    PyDict(String),
}

/// Whose changes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structure {
    Dict,
    Hash,
    List,
    Set,
}

/// What a collection tells of its changes.
#[derive(Debug)]
pub(crate) struct ChangePublishing {
    structure: Structure,
    /// The key of the collection, or what all its keys begin with.
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

    /// What is told of a collection that may tell nothing.
    pub(crate) fn of(
        publishing: Option<&Self>,
        structure: Structure,
        name: impl Into<Vec<u8>>,
    ) -> Self {
        let formats = publishing.map(|publishing| publishing.formats.clone()).unwrap_or_default();
        Self { structure, name: name.into(), formats, settings: OnceLock::new() }
    }

    /// Why the collection cannot tell of its changes in these formats, if it cannot.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.formats.iter().find_map(|format| match (format, self.structure) {
            (ChangeFormat::Own, _) => None,
            (_, Structure::Hash | Structure::List | Structure::Set) => Some(ONLY_A_DICT),
            (ChangeFormat::PubSubDict, _) => (!self.name.ends_with(b"/")).then_some(SLASH),
            (ChangeFormat::PyDict(_), _) => (!self.name.ends_with(b"&&")).then_some(AMPERSANDS),
        })
    }
    /// The settings of the script. It takes them from the end.
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

/// Where those who read publishing find them.
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

    /// The channel of the format `Own`.
    pub(crate) fn own_channel(&self) -> Vec<u8> {
        side_key_of(&self.name, CHANGES, self.structure.name().as_bytes())
    }

    /// The key of the sequences, of those of a slot in a cluster.
    pub(crate) fn sequences(&self, slot: Option<u16>) -> Vec<u8> {
        let key = side_key_of(&self.name, SEQUENCES, self.structure.name().as_bytes());
        match slot {
            Some(slot) if prefix_slot(&self.name).is_none() => into_slot(key, slot),
            _ => key,
        }
    }

    /// The channels of the format `PubSubDict`: of what was set, and of what was removed.
    pub(crate) fn pubsub_dict_channels(&self) -> [Vec<u8>; 2] {
        [[&self.name[..], b"update"].concat(), [&self.name[..], b"delete"].concat()]
    }

    /// The channel of the format `PyDict` for one key.
    pub(crate) fn py_dict_channel(&self, key: &[u8]) -> Vec<u8> {
        [b"event_", &self.name[..], key].concat()
    }
}

impl Structure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Structure::Dict => "dict",
            Structure::Hash => "hash",
            Structure::List => "list",
            Structure::Set => "set",
        }
    }
}

/// What the messages of this process begin with; `stream` is the slot of the changed keys in a cluster.
pub(crate) fn head(stream: Option<u16>) -> Cow<'static, str> {
    static WITHOUT_A_STREAM: LazyLock<String> = LazyLock::new(|| format!("1 {} - ", *INSTANCE));
    match stream {
        Some(slot) => format!("1 {} {slot} ", *INSTANCE).into(),
        None => WITHOUT_A_STREAM.as_str().into(),
    }
}

/// A script that does what `source` does and tells of it, or that runs the one command it is given.
pub(crate) fn telling(source: Option<&str>) -> String {
    let parts = match source {
        Some(source) => [PRELUDE, WITHIN, source],
        None => [QUICK, PRELUDE, COMMAND],
    };
    parts.join("\n")
}

/// The kind of the channels of the format `Own`; `prelude.lua` and `quick.lua` name it too.
const CHANGES: &str = "changes";
const SEQUENCES: &str = "sequences";

const PRELUDE: &str = include_str!("lua/prelude.lua");
const COMMAND: &str = include_str!("lua/command.lua");
const QUICK: &str = include_str!("lua/quick.lua");
const WITHIN: &str = include_str!("lua/within.lua");

static INSTANCE: LazyLock<String> = LazyLock::new(|| unique_id()[..16].to_owned());

const ONLY_A_DICT: &str = "only a `RedisDict` can tell of its changes in this format";
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
