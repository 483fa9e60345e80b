//! The programs of every guide run as tests, and links between documents lead to files.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_programs_of_every_guide_are_tests() {
    let library = read(&root().join("src/lib.rs"));
    let has_programs = |path: &PathBuf| read(path).contains("```rust\n");
    for path in documents().into_iter().filter(has_programs) {
        let name = path.strip_prefix(root()).expect("a path below the root").display().to_string();
        assert!(library.contains(&format!("include_str!(\"../{name}\")")), "no test runs {name}");
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
