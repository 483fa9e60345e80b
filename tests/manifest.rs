//! The promises of the manifests: the minimum supported Rust version, what default features bring,
//! and what each feature costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

/// The packages that are published.
const PUBLISHED: [&str; 3] = ["redis-collections", "redis-collections-rcq", "rckey"];

/// Runs cargo in this package, with the locked dependencies.
fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).arg("--locked").current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A version as numbers, of which the patch level may be missing.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|number| number.parse().expect("a number")).collect()
}

/// The packages that a build of the published ones needs on any platform, without those of tests.
fn needed(metadata: &Value) -> BTreeSet<&str> {
    let list = |value: &'static str| metadata[value].as_array();
    let packages = list("packages").expect("packages");
    let id = |package: &Value| PUBLISHED.contains(&package["name"].as_str().expect("a name"));
    let mut waiting: Vec<_> = packages.iter().filter(|package| id(package)).collect();
    assert_eq!(waiting.len(), PUBLISHED.len());
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (node["id"].as_str(), node)).collect();
    let by_id: BTreeMap<_, _> =
        packages.iter().map(|package| (package["id"].as_str(), package)).collect();
    let mut needed = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        if !needed.insert(package["id"].as_str().expect("an id")) {
            continue;
        }
        let dependencies = nodes[&package["id"].as_str()]["deps"].as_array().expect("deps");
        for dependency in dependencies {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                waiting.push(by_id[&dependency["pkg"].as_str()]);
            }
        }
    }
    needed
}

#[test]
fn no_dependency_needs_a_newer_rust_than_the_manifest_claims() {
    let metadata = cargo(&["metadata", "--format-version", "1", "--all-features"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let needed = needed(&metadata);
    let claim = version(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let newer: Vec<_> = packages
        .filter(|package| needed.contains(package["id"].as_str().expect("an id")))
        .filter_map(|package| Some((package, package["rust_version"].as_str()?)))
        .filter(|(_, least)| version(least) > claim)
        .map(|(package, least)| format!("{} {}: {least}", package["name"], package["version"]))
        .collect();
    assert!(newer.is_empty(), "newer than {claim:?}: {newer:#?}");
}

#[test]
fn default_features_bring_no_crate_twice_and_neither_tokio_nor_bincode() {
    let tree = |more: &[&str]| {
        let arguments = ["tree", "--edges", "normal", "--package", "redis-collections"];
        cargo(&[&arguments[..], &["--prefix", "none"], more].concat())
    };
    let duplicates = tree(&["--duplicates", "--depth", "0"]);
    assert_eq!(duplicates.trim(), "", "in two versions");
    let crates = tree(&[]);
    for unwanted in ["tokio", "bincode"] {
        let found = crates.lines().any(|line| line.split(' ').next() == Some(unwanted));
        assert!(!found, "{unwanted}");
    }
    assert!(crates.lines().any(|line| line.starts_with("redis v")), "{crates}");
}

/// `UPDATE_FEATURE_TABLE=1` writes the figures anew.
#[test]
fn the_table_of_features_says_what_each_costs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    let library = fs::read_to_string(path).expect("the library");
    let (without, default) = (crates_of("", "normal"), crates_of("default", "normal"));
    let added = |features| crates_of(features, "normal").difference(&without).count();
    let mut rows = BTreeMap::new();
    let figures = library.lines().map(|line| {
        let row = line.strip_prefix("//! | `").and_then(|row| row.split_once("` |"));
        let Some((feature, _)) = row.filter(|(_, cells)| cells.split('|').count() == 4) else {
            return line.to_owned();
        };
        rows.insert(feature, line.contains("needs a C compiler"));
        let (cells, _) = line.trim_end_matches('|').rsplit_once('|').expect("cells");
        format!("{cells}| {} |", added(feature))
    });
    let figures = figures.collect::<Vec<_>>().join("\n") + "\n";
    if std::env::var_os("UPDATE_FEATURE_TABLE").is_some() {
        fs::write(path, figures).expect("the library is written");
    } else {
        assert!(library == figures, "UPDATE_FEATURE_TABLE=1 writes it anew:\n{figures}");
    }
    let others = without.len() - 1;
    let sentence = format!(
        "features there are {others} besides this one; the default features add {}.",
        default.difference(&without).count()
    );
    assert!(library.contains(&sentence), "the library does not say: {sentence}");
    let manifest = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let packages = manifest["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == "redis-collections");
    let features = package.expect("this package")["features"].as_object().expect("features");
    let features: Vec<_> = features.keys().filter(|feature| *feature != "default").collect();
    assert_eq!(rows.len(), features.len(), "{features:?}");
    for feature in features {
        let compiles_c =
            crates_of(feature, "normal,build").iter().any(|one| one.starts_with("cc v"));
        assert_eq!(rows.get(feature.as_str()), Some(&compiles_c), "{feature}");
    }
}

/// The crates of a build with these features only, for Linux, whatever this system is.
fn crates_of(features: &str, edges: &str) -> BTreeSet<String> {
    let choice = ["tree", "--package", "redis-collections", "--no-default-features"];
    let form = ["--prefix", "none", "--format", "{p}", "--target", "x86_64-unknown-linux-gnu"];
    let chosen = ["--features", features, "--edges", edges];
    let tree = cargo(&[&choice[..], &form, &chosen].concat());
    let name_and_version = |line: &str| {
        let mut words = line.split(' ');
        format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default())
    };
    tree.lines().map(name_and_version).collect()
}
