//! The promises of the manifests: the minimum supported Rust version, and what default features
//! bring.

use std::collections::{BTreeMap, BTreeSet};
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
