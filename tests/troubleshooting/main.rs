//! The guide to errors has every public variant, by the messages that are really printed.

mod commands;
mod keywords;
mod refusals;
mod servers;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The messages of errors that were really made, by the section of the guide that has them.
type Messages = Vec<(&'static str, String)>;

#[test]
fn the_guide_has_every_variant_by_the_message_that_is_printed() -> Outcome {
    let mut made = commands::messages()?;
    made.extend(refusals::messages()?);
    made.extend(settings::messages()?);
    made.extend(keywords::messages()?);
    made.extend(servers::messages()?);
    let quoted = quoted();
    let made_of = |section: &str, quote: &str| {
        made.iter().any(|(of, message)| *of == section && matches(message, quote))
    };
    let has_quote = |section: &str, message: &str| {
        quoted.get(section).is_some_and(|quotes| quotes.iter().any(|it| matches(message, it)))
    };
    let lacking: Vec<_> =
        made.iter().filter(|(section, message)| !has_quote(section, message)).collect();
    assert!(lacking.is_empty(), "docs/troubleshooting.md lacks {lacking:#?}");
    for (section, quotes) in &quoted {
        for quote in quotes {
            assert!(made_of(section, quote), "no error says {quote:?} of {section}");
        }
    }
    Ok(())
}

#[test]
fn every_public_variant_has_a_section() {
    let quoted = quoted();
    let variants = [variants("Error"), variants("KeywordError")].concat();
    assert!(variants.len() > 20, "{variants:?}");
    for variant in variants {
        assert!(quoted.contains_key(&variant), "docs/troubleshooting.md has no section {variant}");
    }
}

#[test]
fn every_code_of_a_server_that_the_crate_knows_is_explained() {
    let source = read("src/error/code.rs");
    let (source, _) = source.split_once("#[cfg(test)]").expect("tests");
    let words = source.split('"').skip(1).step_by(2);
    let is_code = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    let codes: BTreeSet<_> = words.filter(is_code).collect();
    assert!(codes.len() > 10, "{codes:?}");
    let guide = read(GUIDE);
    for code in codes {
        assert!(guide.contains(&format!("`{code}`")), "{GUIDE} does not explain {code}");
    }
}

/// The quoted messages of the guide, by the names of their sections.
fn quoted() -> BTreeMap<String, Vec<String>> {
    let mut quoted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for section in read(GUIDE).split("\n### ").skip(1) {
        let (name, text) = section.split_once('\n').unwrap_or((section, ""));
        let blocks = text.split("```text\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        let lines: Vec<_> = blocks.flat_map(str::lines).map(str::to_owned).collect();
        if !lines.is_empty() {
            quoted.insert(name.replace('`', ""), lines);
        }
    }
    quoted
}

/// The variants of a public enumeration, as the list of the public API has them.
fn variants(name: &str) -> Vec<String> {
    let api = read("docs/public-api.txt");
    let (_, rest) = api.split_once(&format!("\npub enum {name} {{\n")).expect("the enumeration");
    let (body, _) = rest.split_once("\n}\n").expect("its end");
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let named = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let end = |line: &str| line.find(|char: char| !char.is_alphanumeric()).unwrap_or(line.len());
    named.map(|line| format!("{name}::{}", &line[..end(line)])).collect()
}

/// Returns whether a message is the quoted one, in which `…` stands for any text.
fn matches(message: &str, quote: &str) -> bool {
    let mut parts = quote.split('…');
    let Some(mut rest) = parts.next().and_then(|part| message.strip_prefix(part)) else {
        return false;
    };
    let mut ends = true;
    for part in parts {
        let Some(at) = rest.rfind(part).filter(|_| part.is_empty()).or_else(|| rest.find(part))
        else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ends = part.is_empty();
    }
    rest.is_empty() || ends
}

/// A message without what differs between runs: the ports of this machine.
fn told(error: impl std::fmt::Display, ports: &[u16]) -> String {
    let message = error.to_string();
    let without = |text: String, port: &u16| text.replace(&format!(":{port}"), ":6379");
    ports.iter().fold(message, without)
}

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const GUIDE: &str = "docs/troubleshooting.md";
