//! Every sentence of the README's guarantees names the tests that would fail without it, in
//! docs/guarantees.md, and every test named there exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The README's sections that promise something.
const SECTIONS: [&str; 6] = [
    "What codecs keep",
    "What is guaranteed",
    "Near caches",
    "Read-through caches",
    "Work queues",
    "Keywords",
];

#[test]
fn every_sentence_of_the_guarantees_is_backed() {
    let readme = read("README.md");
    let quotes: Vec<String> = rows().into_iter().map(|(quote, _)| quote).collect();
    let sentences: Vec<String> =
        SECTIONS.iter().flat_map(|name| sentences(&readme, name)).collect();
    let begins = |sentence: &String, quote: &String| sentence.starts_with(quote.as_str());
    let unbacked: Vec<_> = sentences
        .iter()
        .filter(|sentence| !quotes.iter().any(|quote| begins(sentence, quote)))
        .collect();
    let unknown: Vec<_> = quotes
        .iter()
        .filter(|quote| !sentences.iter().any(|sentence| begins(sentence, quote)))
        .collect();
    assert!(
        unbacked.is_empty() && unknown.is_empty(),
        "docs/guarantees.md has no row for {unbacked:#?}\nand the README no sentence for {unknown:#?}"
    );
}

#[test]
fn every_test_that_backs_a_guarantee_exists() {
    let mut functions = BTreeSet::new();
    for folder in ["src", "tests", "crates"] {
        collect_functions(&Path::new(ROOT).join(folder), &mut functions);
    }
    let missing: Vec<_> = rows()
        .into_iter()
        .flat_map(|(quote, tests)| {
            assert!(!tests.is_empty(), "{quote:?} has no test");
            tests
        })
        .filter(|test| !functions.contains(test))
        .collect();
    assert!(missing.is_empty(), "docs/guarantees.md names tests that do not exist: {missing:#?}");
}

/// The rows of the table: how a sentence begins, and the tests that back it.
fn rows() -> Vec<(String, Vec<String>)> {
    let table = read("docs/guarantees.md");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.filter_map(|cells| cells.rsplit_once(" | ")).skip(1);
    rows.map(|(quote, tests)| {
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (quote.replace("\\|", "|").trim().to_owned(), tests)
    })
    .collect()
}

/// The sentences of a section, without line breaks. A row of a table is one sentence.
fn sentences(readme: &str, section: &str) -> Vec<String> {
    let heading = format!("\n## {section}\n");
    let (_, rest) = readme.split_once(&heading).unwrap_or_else(|| panic!("no section {section}"));
    let text = rest.split("\n## ").next().unwrap_or_default();
    let (mut sentences, mut paragraph) = (Vec::new(), String::new());
    for line in text.lines().chain([""]) {
        let is_row = line.starts_with('|');
        if line.is_empty() || line.starts_with("* ") || is_row {
            split(&std::mem::take(&mut paragraph), &mut sentences);
        }
        if is_row {
            let is_rule = line.chars().all(|char| "|- ".contains(char));
            let is_head = line.starts_with("| |");
            if !is_rule && !is_head {
                sentences.push(line.trim_matches(['|', ' ']).to_owned());
            }
        } else {
            paragraph.push(' ');
            paragraph.push_str(line.trim_start_matches("* ").trim());
        }
    }
    sentences
}

/// Splits where a full stop or a colon's list ends before a capital letter or code.
fn split(paragraph: &str, sentences: &mut Vec<String>) {
    let mut rest = paragraph.trim();
    while let Some((end, _)) = rest.match_indices(". ").find(|(end, _)| {
        let next = rest[end + 2..].chars().next();
        next.is_some_and(|next| next.is_uppercase() || next == '`')
    }) {
        sentences.push(rest[..=end].to_owned());
        rest = rest[end + 2..].trim();
    }
    if !rest.is_empty() {
        sentences.push(rest.to_owned());
    }
}

fn collect_functions(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_functions(&path, functions);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let names = text.split("fn ").skip(1);
            let name = |rest: &str| {
                let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
                rest[..end.unwrap_or(rest.len())].to_owned()
            };
            functions.extend(names.map(name));
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
