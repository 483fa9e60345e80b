//! The map in ARCHITECTURE.md lists every source file in such an order that each imports only from
//! those before it. This reads the imports, and fails on a file that the map lacks and on an import
//! against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The path of a module from the root of its crate.
type Module = Vec<String>;

#[test]
fn files_import_only_from_those_before_them_in_the_map() {
    let map = map();
    let crates = fs::read_dir(Path::new(ROOT).join("crates")).expect("the crates");
    for path in crates.map(|entry| entry.expect("a crate").path().join("src")) {
        let folder = path.strip_prefix(ROOT).expect("a path below the root");
        let folder = folder.to_str().expect("UTF-8");
        let has_files = !Sources::read(&path).files.is_empty();
        assert!(map.contains_key(folder) || !has_files, "the map lacks {folder}");
    }
    for (folder, files) in &map {
        let sources = Sources::read(&Path::new(ROOT).join(folder));
        let known: BTreeSet<_> = sources.files.keys().map(|module| sources.file(module)).collect();
        let listed: BTreeSet<_> = files.iter().cloned().collect();
        assert_eq!(files.len(), listed.len(), "{folder} has a file twice in the map");
        let missing: Vec<_> = known.symmetric_difference(&listed).collect();
        assert!(missing.is_empty(), "either the map or {folder} lacks {missing:?}");
        let place = |file: &String| files.iter().position(|listed| listed == file);
        let against: Vec<_> = sources
            .imports()
            .into_iter()
            .filter(|(importer, imported)| place(imported) > place(importer))
            .map(|(importer, imported)| format!("{importer} imports from {imported}"))
            .collect();
        assert!(against.is_empty(), "against the map of {folder}: {against:#?}");
    }
}

#[test]
fn a_folder_has_few_files() {
    for (folder, files) in &map() {
        let mut counts = BTreeMap::<PathBuf, usize>::new();
        for file in files {
            let parent = Path::new(file).parent().map(Path::to_owned).unwrap_or_default();
            *counts.entry(parent).or_default() += 1;
        }
        let full: Vec<_> = counts.iter().filter(|(_, count)| **count > MOST_FILES).collect();
        assert!(full.is_empty(), "{folder} has too many files in {full:?}");
    }
}

const MOST_FILES: usize = 15;

/// The files of each source folder, in their order. A row of the map is `folder | files |
/// description`.
fn map() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("the map");
    let (_, rest) = text.split_once("<!-- map -->").expect("the begin of the map");
    let (table, _) = rest.split_once("<!-- end of map -->").expect("the end of the map");
    let mut map = BTreeMap::<String, Vec<String>>::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [place, files, _] = cells[..] else { panic!("three cells: {row}") };
        let place = place.trim_matches('`');
        let (sources, prefix) = match place.split_once("src/") {
            Some((crate_folder, prefix)) => (format!("{crate_folder}src"), prefix),
            None => panic!("a folder of sources: {row}"),
        };
        let files = files.split(", ").map(|file| format!("{prefix}{file}.rs"));
        map.entry(sources).or_default().extend(files);
    }
    assert!(!map.is_empty(), "the map has no rows");
    map
}

/// The modules of a crate but for tests, and what each imports.
struct Sources {
    root: PathBuf,
    files: BTreeMap<Module, PathBuf>,
    uses: BTreeMap<Module, Vec<Import>>,
}

/// A name that a module imports, or a path in its code.
struct Import {
    /// The module that the path is relative to: the file's own, or one within it.
    base: Module,
    path: Vec<String>,
    /// What it is called here, unless it is a path in code.
    name: Option<String>,
    is_public: bool,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources =
            Self { root: root.to_owned(), files: BTreeMap::new(), uses: BTreeMap::new() };
        let first = ["lib.rs", "main.rs"].map(|name| root.join(name));
        let first = first.into_iter().find(|path| path.exists()).expect("lib.rs or main.rs");
        sources.add(Vec::new(), first, root);
        sources.files.remove(&Vec::new());
        sources
    }

    fn add(&mut self, module: Module, path: PathBuf, children: &Path) {
        let text = fs::read_to_string(&path).expect("a source file");
        let file = syn::parse_file(&text).expect("Rust");
        self.files.insert(module.clone(), path);
        let mut imports = Imports { base: module.clone(), found: Vec::new(), modules: Vec::new() };
        file.items.iter().for_each(|item| imports.visit_item(item));
        self.uses.insert(module.clone(), imports.found);
        for name in imports.modules {
            let child: Module = module.iter().cloned().chain([name.clone()]).collect();
            let folder = children.join(&name);
            let flat = children.join(format!("{name}.rs"));
            let path = if flat.exists() { flat } else { folder.join("mod.rs") };
            self.add(child, path, &folder);
        }
    }

    fn file(&self, module: &Module) -> String {
        let path = self.files[module].strip_prefix(&self.root).expect("a path below the root");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Which file imports from which. That a module re-exports what its own files define is no
    /// import.
    fn imports(&self) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (module, imports) in self.uses.iter().filter(|(module, _)| !module.is_empty()) {
            for import in imports {
                let Some(target) = self.target(import) else { continue };
                let re_exports = import.is_public && target.starts_with(module);
                if target != *module && !target.is_empty() && !re_exports {
                    found.insert((self.file(module), self.file(&target)));
                }
            }
        }
        found
    }

    fn target(&self, import: &Import) -> Option<Module> {
        self.resolve(self.absolute(import)?, &mut Vec::new())
    }

    fn absolute(&self, import: &Import) -> Option<Vec<String>> {
        let mut base = import.base.clone();
        let mut path = &import.path[..];
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" | "super" => {}
            first => {
                let child: Module = base.iter().cloned().chain([first.to_owned()]).collect();
                self.files.contains_key(&child).then_some(())?;
            }
        }
        while let [first, rest @ ..] = path {
            match first.as_str() {
                "super" => drop(base.pop()),
                "self" => {}
                _ => break,
            }
            path = rest;
        }
        base.extend_from_slice(path);
        Some(base)
    }

    /// The module that defines what a path names, through re-exports.
    fn resolve(&self, path: Vec<String>, seen: &mut Vec<Vec<String>>) -> Option<Module> {
        if seen.contains(&path) {
            return None;
        }
        seen.push(path.clone());
        let length = (0..=path.len())
            .rev()
            .find(|&length| length == 0 || self.files.contains_key(&path[..length]))?;
        let module = path[..length].to_vec();
        let Some(name) = path.get(length) else { return Some(module) };
        let imports = self.uses.get(&module).into_iter().flatten();
        let is_it = |import: &&Import| import.base == module && import.name.as_ref() == Some(name);
        for import in imports.filter(is_it) {
            let Some(mut further) = self.absolute(import) else { continue };
            further.extend_from_slice(&path[length + 1..]);
            if let Some(found) = self.resolve(further, seen) {
                return Some(found);
            }
        }
        Some(module)
    }
}

/// Collects imports, and the modules that have files of their own.
struct Imports {
    base: Module,
    found: Vec<Import>,
    modules: Vec<String>,
}

impl Imports {
    fn add_tree(&mut self, tree: &UseTree, path: &[String], is_public: bool) {
        let with = |name: String| path.iter().cloned().chain([name]).collect::<Vec<_>>();
        let (path, name) = match tree {
            UseTree::Path(tree) => {
                return self.add_tree(&tree.tree, &with(tree.ident.to_string()), is_public);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_tree(tree, path, is_public));
            }
            UseTree::Glob(_) => return,
            UseTree::Name(name) if name.ident == "self" => (path.to_vec(), path.last().cloned()),
            UseTree::Name(name) => (with(name.ident.to_string()), Some(name.ident.to_string())),
            UseTree::Rename(name) => (with(name.ident.to_string()), Some(name.rename.to_string())),
        };
        self.found.push(Import { base: self.base.clone(), path, name, is_public });
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        match item {
            Item::Mod(module) => match &module.content {
                None => self.modules.push(module.ident.to_string()),
                Some((_, items)) => {
                    self.base.push(module.ident.to_string());
                    items.iter().for_each(|item| self.visit_item(item));
                    self.base.pop();
                }
            },
            item => syn::visit::visit_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.add_tree(&item.tree, &[], is_public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        let import = Import {
            base: self.base.clone(),
            path: segments.collect(),
            name: None,
            is_public: false,
        };
        if import.path.len() > 1 {
            self.found.push(import);
        }
        syn::visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether it is conditional on `test`, perhaps among other conditions.
fn is_for_tests(attribute: &Attribute) -> bool {
    let Ok(conditions) = attribute.meta.require_list() else { return false };
    let conditions = conditions.tokens.to_string();
    let mut words = conditions.split(|char: char| !char.is_alphanumeric());
    attribute.path().is_ident("cfg")
        && !conditions.contains("not")
        && words.any(|word| word == "test")
}
