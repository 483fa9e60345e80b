//! The programs of every guide run as tests, with the features that the guide names, and links
//! between documents lead to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_programs_of_every_guide_are_tests() {
    let library = read(&root().join("src/lib.rs"));
    assert!(root().join("examples/thumbnails/tests/tutorial.rs").exists());
    for path in guides() {
        let name = path.strip_prefix(root()).expect("a path below the root").display().to_string();
        assert!(library.contains(&format!("include_str!(\"../{name}\")")), "no test runs {name}");
    }
}

#[test]
fn every_guide_with_programs_says_what_to_add_for_them() {
    let defaults = ["json", "msgpack", "pickle", "pydict", "serde"];
    for (path, programs) in guides().into_iter().map(|path| (path.clone(), programs(&path))) {
        let text = read(&path);
        let (top, _) = text.split_once("\n## ").expect("a section");
        let added = added(top);
        let name = path.display();
        let advice = format!("```sh\n{NOT_PUBLISHED}\ncargo add redis-collections ");
        assert!(top.contains(&advice), "{name} does not begin with `{advice}`");
        let mut needed: BTreeSet<_> = gates()
            .into_iter()
            .filter(|(mark, _)| has(&programs, mark))
            .map(|gate| gate.1)
            .collect();
        let implied: Vec<_> =
            needed.iter().filter_map(|feature| implied().remove(feature)).flatten().collect();
        needed
            .retain(|feature| !implied.contains(feature) && !defaults.contains(&feature.as_str()));
        assert_eq!(added.get("redis-collections"), Some(&needed), "the features of {name}");
        for other in ["serde", "serde_json", "tokio", "uuid", "jiff", "zstd", "log", "metrics"] {
            let uses = has(&programs, &format!("{other}::"));
            assert_eq!(added.contains_key(other), uses, "{name}: {other}");
        }
        for (mark, other, feature) in [
            ("Serialize", "serde", "derive"),
            ("tokio::main", "tokio", "macros"),
            ("tokio::main", "tokio", "rt-multi-thread"),
        ] {
            let has_it = added.get(other).is_some_and(|features| features.contains(feature));
            assert!(has_it || !has(&programs, mark), "{name}: {other} lacks {feature}");
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for path in documents() {
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            let folder = path.parent().expect("a folder");
            let exists = file.is_empty() || folder.join(file).exists();
            assert!(exists, "{} links to {target}, which does not exist", path.display());
        }
    }
}

/// The documents with programs, except for the tutorial: its package compares and runs them.
fn guides() -> Vec<PathBuf> {
    let is_guide =
        |path: &PathBuf| !path.ends_with("docs/tutorial.md") && read(path).contains("```rust\n");
    documents().into_iter().filter(is_guide).collect()
}

const NOT_PUBLISHED: &str = "# Not published yet: until then add `--path` and the folder of a \
                             checkout, or `--git` and its URL.";

/// The programs of a document, without its other text.
fn programs(path: &Path) -> String {
    let text = read(path);
    let blocks = text.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect()
}

/// The crates that the commands in `text` add, with their features.
fn added(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let commands = text.lines().filter_map(|line| line.strip_prefix("cargo add "));
    let crates = commands.map(|command| {
        let mut words = command.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let features = words.skip_while(|word| *word != "--features").nth(1).unwrap_or_default();
        let features = features.split(',').filter(|feature| !feature.is_empty());
        (name, features.map(str::to_owned).collect())
    });
    crates.collect()
}

/// What a program contains that uses an item behind a feature, and that feature. The list of the
/// public API has the features of items and methods; modules name theirs in their paths.
fn gates() -> Vec<(String, String)> {
    let mut gates = Vec::new();
    for module in ["keyword", "testing"] {
        gates.push((format!("redis_collections::{module}"), module.to_owned()));
    }
    let api = read(&root().join("docs/public-api.txt"));
    let mut feature = None;
    for line in api.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[cfg(feature = \"") {
            feature = rest.split('"').next().map(str::to_owned);
        } else if !line.starts_with("#[") {
            let declared = line.strip_prefix("pub ").filter(|_| feature.is_some());
            let declared = declared.map(|item| item.strip_prefix("async ").unwrap_or(item));
            let mut words = declared.unwrap_or_default().split([' ', '<', '(', ':']);
            if let (Some(kind), Some(name), Some(feature)) =
                (words.next(), words.next(), feature.take())
            {
                let mark = if kind == "fn" { format!(".{name}(") } else { name.to_owned() };
                gates.push((mark, feature));
            }
        }
    }
    assert!(gates.len() > 20, "{gates:?}");
    gates
}

/// Returns whether `text` contains `mark`, which is no part of a longer word.
fn has(text: &str, mark: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(mark).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + mark.len()..].chars().next();
        let continues = mark.ends_with(is_part) && after.is_some_and(is_part);
        let continued = mark.starts_with(is_part) && before.is_some_and(is_part);
        !continues && !continued
    })
}

/// The features of this crate that others enable.
fn implied() -> BTreeMap<String, Vec<String>> {
    let manifest = read(&root().join("Cargo.toml"));
    let (_, features) = manifest.split_once("\n[features]\n").expect("features");
    let (features, _) = features.split_once("\n[").expect("a next section");
    let pairs = features.lines().filter_map(|line| line.split_once(" = ["));
    let names = |list: &str| list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    pairs.map(|(name, list)| (name.to_owned(), names(list))).collect()
}

/// The README, the guides and the pages of figures.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md")];
    for folder in ["docs", "docs/benchmarks"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of documents");
        let paths = entries.map(|entry| entry.expect("a document").path());
        documents.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    documents
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
