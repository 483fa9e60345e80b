//! Every sentence of the guides' guarantees and failure modes names the tests that would fail
//! without it, in docs/guarantees.md, and every test named there exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The table itself, figures, the tutorial, and advice that links to guides promise nothing. Every
/// other file of docs/ is a guide.
const NO_GUIDES: [&str; 5] = [
    "benchmarks.md",
    "going-to-production.md",
    "guarantees.md",
    "troubleshooting.md",
    "tutorial.md",
];

#[test]
fn every_sentence_of_the_guarantees_is_backed() {
    let quotes: Vec<String> = rows().into_iter().map(|(quote, _)| quote).collect();
    let mut sentences = Vec::new();
    for path in ["README.md".to_owned()].into_iter().chain(guides()) {
        let text = read(&path);
        let guarantees = section(&text, "Guarantees");
        let guarantees = guarantees.unwrap_or_else(|| panic!("{path} has no guarantees"));
        for text in [guarantees, section(&text, "Failure modes").unwrap_or_default()] {
            sentences
                .extend(split_into_sentences(text).into_iter().map(|text| (path.clone(), text)));
        }
    }
    let begins = |sentence: &str, quote: &String| sentence.starts_with(quote.as_str());
    let unbacked: Vec<_> = sentences
        .iter()
        .filter(|(_, sentence)| !quotes.iter().any(|quote| begins(sentence, quote)))
        .collect();
    let unknown: Vec<_> = quotes
        .iter()
        .filter(|quote| !sentences.iter().any(|(_, sentence)| begins(sentence, quote)))
        .collect();
    assert!(
        unbacked.is_empty() && unknown.is_empty(),
        "docs/guarantees.md has no row for {unbacked:#?}\nand the guides no sentence for {unknown:#?}"
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

/// The rows of the tables: how a sentence begins, and the tests that back it.
fn rows() -> Vec<(String, Vec<String>)> {
    let table = read("docs/guarantees.md");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.filter_map(|cells| cells.rsplit_once(" | "));
    let rows = rows.filter(|row| *row != ("guarantee", "tests"));
    rows.map(|(quote, tests)| {
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (quote.replace("\\|", "|").trim().to_owned(), tests)
    })
    .collect()
}

/// The paths of the guides, in order.
fn guides() -> Vec<String> {
    let entries =
        fs::read_dir(Path::new(ROOT).join("docs")).unwrap_or_else(|error| panic!("{error}"));
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_guide = |name: &String| name.ends_with(".md") && !NO_GUIDES.contains(&name.as_str());
    let mut guides: Vec<_> = names.filter(is_guide).map(|name| format!("docs/{name}")).collect();
    guides.sort();
    assert!(!guides.is_empty(), "docs/ has no guides");
    guides
}

/// A section's text, with that of the sections within it.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n## {name}\n"))?;
    rest.split("\n## ").next()
}

/// The sentences of a text, without line breaks. A row of a table is one sentence.
fn split_into_sentences(text: &str) -> Vec<String> {
    let (mut sentences, mut paragraph) = (Vec::new(), String::new());
    for line in text.lines().chain([""]) {
        let is_row = line.starts_with('|');
        let is_heading = line.starts_with('#');
        if line.is_empty() || line.starts_with("* ") || is_row || is_heading {
            split(&std::mem::take(&mut paragraph), &mut sentences);
        }
        if is_row {
            let is_rule = line.chars().all(|char| "|- ".contains(char));
            let is_head = line.starts_with("| |");
            if !is_rule && !is_head {
                sentences.push(line.trim_matches(['|', ' ']).to_owned());
            }
        } else if !is_heading {
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
