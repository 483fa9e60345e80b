//! The table of events in the guide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Item, Lit, Stmt};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The level, the target and the fields of each message.
type Events = BTreeMap<String, (String, String, Vec<String>)>;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect(path)
}

/// The events of `src/logs.rs`: one macro call in each function.
fn logged() -> Events {
    let file = syn::parse_file(&read("src/logs.rs")).expect("Rust");
    let targets: BTreeMap<_, _> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Const(constant) => {
                let syn::Expr::Lit(value) = &*constant.expr else { return None };
                let Lit::Str(target) = &value.lit else { return None };
                Some((constant.ident.to_string(), target.value()))
            }
            _ => None,
        })
        .collect();
    let mut events = Events::new();
    for item in &file.items {
        let Item::Fn(function) = item else { continue };
        for statement in &function.block.stmts {
            let Stmt::Macro(call) = statement else { continue };
            let level = call.mac.path.segments[0].ident.to_string().to_uppercase();
            let text = call.mac.tokens.to_string();
            let (head, message) = text.split_once('"').expect("a message");
            let mut parts = head.split(',').map(|part| part.replace([' ', '%', '\n'], ""));
            let target = parts.next().expect("a target");
            let target = &targets[target.strip_prefix("target:").expect("a target")];
            let fields = parts.filter(|field| !field.is_empty()).collect();
            let message = message.trim_end_matches('"').to_owned();
            let before = events.insert(message, (level, target.clone(), fields));
            assert!(before.is_none(), "a message of two events");
        }
    }
    events
}

/// The events of the guide: `| message | level | fields | when | what to do |`, in a table after the
/// name of their target.
fn documented() -> Events {
    let mut events = Events::new();
    let mut target = String::new();
    for line in read("docs/logs.md").lines() {
        if let Some(name) = line.strip_prefix("## `").and_then(|rest| rest.strip_suffix('`')) {
            target = name.to_owned();
        }
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [message, level, fields, _, _] = cells[..] else { continue };
        if ["WARN", "INFO", "ERROR"].contains(&level) {
            let fields = fields.split(", ").map(|field| field.trim_matches('`').to_owned());
            let event = (level.to_owned(), target.clone(), fields.collect());
            let before = events.insert(message.to_owned(), event);
            assert!(before.is_none(), "{message} is in the guide twice");
        }
    }
    events
}

#[test]
fn the_guide_lists_exactly_the_events_that_are_logged() {
    assert_eq!(documented(), logged());
}

#[test]
fn every_event_is_produced_by_a_test_of_this_program() {
    let folder = Path::new(ROOT).join("tests/logs");
    let files = fs::read_dir(folder).expect("tests").map(|file| file.expect("a file").path());
    let tests: String = files.map(|path| fs::read_to_string(path).expect("a file")).collect();
    // Literals may be continued in another line.
    let tests = tests.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\ ", "");
    let events = logged();
    let missing: BTreeSet<_> = events.keys().filter(|message| !tests.contains(*message)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn nothing_else_in_the_crate_logs() {
    let mut folders = vec![Path::new(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("sources") {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("src/logs.rs") {
                let text = fs::read_to_string(&path).expect("a source");
                assert!(!text.contains("tracing::"), "{}", path.display());
            }
        }
    }
}
