//! Writes that publish their changes: a script that runs the command or script, and publishes.
//!
//! `EVALSHA <hash> <number of keys> <keys…> <keys of sequences…> <command> <other arguments…>
//! <settings…>`. The keys are not repeated, so that a command may be nearly as long as without
//! publishing. The settings are those of `prelude.lua`, or for a write of one entry of `quick.lua`.

use std::sync::Arc;

use super::line::{Form, Line, decimal};
use crate::changes;
use crate::changes::{ChangePublishing, Structure};
use crate::keys::{is_side_key, key_slot};
use crate::request::Source;

/// The number of arguments besides those of `request` itself.
pub(crate) fn more_arguments(line: &Line<'_>, publishing: &[Arc<ChangePublishing>]) -> usize {
    let request = line.request;
    let wrapped = if request.is_script().is_some() { 0 } else { SCRIPT_ARGUMENTS };
    let settings = match request.published_entry() {
        Some(_) => SETTINGS_OF_AN_ENTRY,
        None => {
            let settings = publishing.iter().map(|publishing| publishing.settings().len());
            let texts = item_count(line).div_ceil(changes::MAX_CHANGES);
            settings.sum::<usize>() + SETTINGS_OF_ALL + texts
        }
    };
    wrapped + publishing.len() + settings
}

/// Visits the arguments of `line` in order.
pub(crate) fn each_argument(line: &Line<'_>, script: &Source, visit: &mut impl FnMut(&[u8])) {
    let request = line.request;
    match line.form {
        Form::WithSource => [b"EVAL", script.text.as_bytes()].map(&mut *visit),
        _ => [b"EVALSHA", script.hash.as_bytes()].map(&mut *visit),
    };
    visit(decimal(keys(line).count() + request.publishing().len(), &mut [0; 20]));
    let mut slot = None;
    keys(line).for_each(|key| {
        if line.in_cluster {
            slot.get_or_insert_with(|| key_slot(key));
        }
        visit(key);
    });
    request.publishing().iter().for_each(|publishing| visit(&publishing.sequences(slot)));
    if request.is_script().is_none() {
        request.arguments().take(1).for_each(&mut *visit);
    }
    match line.part {
        Some(items) => {
            let skipped = usize::from(request.has_keys_for_items());
            items.iter().for_each(|&item| request.item(item).skip(skipped).for_each(&mut *visit));
        }
        None => request.others().for_each(&mut *visit),
    }
    let (publishing, head) = (request.publishing(), changes::head(slot));
    if let (Some(entry), [publishing]) = (request.published_entry(), publishing) {
        visit(&publishing.own_channel());
        visit(head.as_bytes());
        visit(&[decimal(entry.len(), &mut [0; 20]), b":", entry].concat());
        return;
    }
    publishing
        .iter()
        .flat_map(|publishing| publishing.settings())
        .for_each(|setting| visit(setting));
    visit(decimal(publishing.len(), &mut [0; 20]));
    visit(head.as_bytes());
    let texts = changes::texts(items(line), item_count(line));
    texts.iter().for_each(|text| visit(text));
    visit(decimal(texts.len(), &mut [0; 20]));
}

/// The number of fields, members or keys that change in a command for which their texts are sent:
/// one of several items, published in the format `Own` alone.
fn item_count(line: &Line<'_>) -> usize {
    let request = line.request;
    let [publishing] = request.publishing() else { return 0 };
    let count = match (request.name(), publishing.structure()) {
        _ if !publishing.publishes_own_alone() => 0,
        ("MSET" | "UNLINK", Structure::Dict)
        | ("HSET" | "HDEL", Structure::Hash)
        | ("SADD" | "SREM", Structure::Set) => line.item_count(),
        _ => 0,
    };
    if count > 1 { count } else { 0 }
}

/// These items as they are published, if there are no keys among them that are none of the
/// collection's.
fn items<'a>(line: &Line<'a>) -> Option<Vec<&'a [u8]>> {
    let request = line.request;
    let publishing = request.publishing().first().filter(|_| item_count(line) > 0)?;
    if !request.has_keys_for_items() {
        return Some(line.items().collect());
    }
    let name = publishing.name();
    let entry = |key: &'a [u8]| key.strip_prefix(name).filter(|_| !is_side_key(key, name.len()));
    line.items().map(entry).collect()
}

/// The keys that are sent.
fn keys<'a>(line: &Line<'a>) -> impl Iterator<Item = &'a [u8]> {
    let are_items = line.request.has_keys_for_items();
    let keys = (!are_items).then(|| line.request.keys());
    are_items.then(|| line.items()).into_iter().flatten().chain(keys.into_iter().flatten())
}

/// `EVALSHA`, the hash and the number of keys.
const SCRIPT_ARGUMENTS: usize = 3;
/// The number of collections, the first part of each message, and the number of texts.
const SETTINGS_OF_ALL: usize = 3;
/// The channel, the first part of the message, and the entry in it.
const SETTINGS_OF_AN_ENTRY: usize = 3;

#[cfg(test)]
mod tests {
    use crate::changes::ChangeFormat;
    use crate::request::{Request, Script};
    use crate::time::Wait;

    use super::*;

    static SCRIPT: Script = Script::new("a script", "return 1");

    /// The arguments after the hash, without the first part of messages.
    fn shown(line: Line<'_>) -> String {
        let mut arguments = Vec::new();
        line.each_argument(|argument| {
            arguments.push(String::from_utf8_lossy(argument).into_owned());
        });
        assert_eq!(arguments.len(), line.len());
        let first = if line.script().is_some() { 2 } else { 0 };
        arguments.retain(|argument| !argument.ends_with(' '));
        assert_eq!(line.len() - arguments.len(), usize::from(line.script().is_some()));
        arguments[first..].join(" ")
    }

    #[test]
    fn a_write_goes_out_with_its_keys_its_other_arguments_and_the_settings() {
        let publishing = ChangePublishing::adding(None, Structure::Dict, "d&&", ChangeFormat::Own);
        let format = ChangeFormat::PyDict("id".to_owned());
        let both = ChangePublishing::adding(Some(&publishing), Structure::Dict, "d&&", format);
        let (own, both) = (Some(Arc::new(publishing)), Some(Arc::new(both)));
        let entry = Request::write("SET").publishes(&own).key(b"d&&k").arg("v");
        let set = || Request::write("SET").publishes(&own).key(b"k").arg("v").arg("NX");
        let mset = || {
            let mset = Request::write("MSET").publishes(&own);
            mset.key(b"d&&a").arg("1").key(b"d&&b").arg("2")
        };
        let unlink = Request::write("UNLINK").publishes(&own).key(b"d&&a").key(b"d&&a~rc:load");
        let moved = Request::write("LMOVE").publishes(&own).key(b"a").publishes(&both).key(b"b");
        let script = Request::script(&SCRIPT, 2).publishes(&own).key(b"a").key(b"b").arg("v");
        let sequences = "d&&~rc:sequences:dict";
        let own = "0 0 1 d&& dict";
        for (request, part, expected) in [
            (entry, None, format!("2 d&&k {sequences} SET v d&&~rc:changes:dict 1:k")),
            (set(), None, format!("2 k {sequences} SET v NX {own} 1 0")),
            (mset(), None, format!("3 d&&a d&&b {sequences} MSET 1 2 {own} 1 1:a1:b 1")),
            (mset(), Some(&[1][..]), format!("2 d&&b {sequences} MSET 2 {own} 1 0")),
            (unlink, None, format!("3 d&&a d&&a~rc:load {sequences} UNLINK {own} 1  1")),
            (
                moved.arg("LEFT").arg("RIGHT"),
                None,
                format!(
                    "4 a b {sequences} {sequences} LMOVE LEFT RIGHT {own} id 1 0 1 d&& dict 2 0"
                ),
            ),
            (script, None, format!("3 a b {sequences} v {own} 1 0")),
        ] {
            let line = Line { part, ..Line::new(&request, Form::AsIs) };
            assert_eq!(shown(line), expected, "{request:?}");
        }
        let request = set();
        let line = Line { in_cluster: true, ..Line::new(&request, Form::AsIs) };
        let of_the_slot = request.publishing()[0].sequences(Some(key_slot(b"k")));
        let of_the_slot = String::from_utf8(of_the_slot).unwrap();
        assert_eq!(shown(line), format!("2 k {of_the_slot} SET v NX {own} 1 0"));
    }

    #[test]
    fn reads_and_waits_go_out_as_they_are() {
        let publishing = ChangePublishing::adding(None, Structure::List, "l", ChangeFormat::Own);
        let publishing = Some(Arc::new(publishing));
        let read = Request::read("LLEN").publishes(&publishing).key(b"l");
        let wait = Request::write("BLPOP").publishes(&publishing).key(b"l").waits(Wait::Forever);
        assert_eq!(shown(Line::new(&read, Form::AsIs)), "LLEN l");
        assert_eq!(shown(Line::new(&wait, Form::AsIs)), "BLPOP l");
    }
}
