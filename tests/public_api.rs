//! `docs/public-api.txt` lists the public API. A change of the API changes the list, and a change of
//! the list needs a line in CHANGELOG.md. Trait implementations that macros generate are not listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem;
use std::path::Path;
use std::process::Command;

use syn::{
    Attribute, Block, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree, Visibility,
    parse_quote,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LIST: &str = "docs/public-api.txt";

#[test]
fn the_public_api_is_that_of_the_list() {
    let listed = Sources::read().public_api();
    let path = Path::new(ROOT).join(LIST);
    if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&path, &listed).expect("the list is written");
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (known_lines, listed_lines) = (lines(&known), lines(&listed));
    let added: Vec<_> = listed_lines.difference(&known_lines).collect();
    let removed: Vec<_> = known_lines.difference(&listed_lines).collect();
    assert!(
        known == listed,
        "added: {added:#?}, removed: {removed:#?}. Describe the change in CHANGELOG.md, and run \
         this test with UPDATE_PUBLIC_API=1"
    );
}

#[test]
fn a_change_of_the_list_comes_with_a_line_in_the_changelog() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(ROOT).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // A package has no history.
    let Some(changed) = git(&["diff", "--name-only", "HEAD"]) else { return };
    let changed: Vec<_> = changed.lines().collect();
    let latest = |path| git(&["log", "-1", "--format=%H", "--", path]).unwrap_or_default();
    let (list, changelog) = (latest(LIST), latest("CHANGELOG.md"));
    let is_described = git(&["merge-base", "--is-ancestor", &list, &changelog]).is_some();
    let is_changed = changed.contains(&LIST) || !list.is_empty() && !is_described;
    assert!(!is_changed || changed.contains(&"CHANGELOG.md"), "{LIST} is newer than CHANGELOG.md");
}

/// The path of a module from the root of the crate.
type Module = Vec<String>;

/// Where an item is defined, and its name.
type Definition = (Module, String);

/// The items of all modules, without those of tests.
struct Sources(BTreeMap<Module, Vec<Item>>);

impl Sources {
    fn read() -> Self {
        let mut sources = Self(BTreeMap::new());
        let root = Path::new(ROOT).join("src");
        sources.add(Vec::new(), parsed(&root.join("lib.rs")), &root);
        sources
    }

    /// Adds a module and those that it declares, whose files are in `folder`.
    fn add(&mut self, module: Module, items: Vec<Item>, folder: &Path) {
        for item in &items {
            let Item::Mod(declared) = item else { continue };
            if is_of_tests(&declared.attrs) {
                continue;
            }
            let name = declared.ident.to_string();
            let inner = folder.join(&name);
            let files = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
            let items = match &declared.content {
                Some((_, items)) => items.clone(),
                None => parsed(files.iter().find(|file| file.exists()).expect("a file")),
            };
            self.add([module.clone(), vec![name]].concat(), items, &inner);
        }
        self.0.insert(module, items);
    }

    /// The list: a module with the items that users can name, without bodies and docs.
    fn public_api(&self) -> String {
        let mut exports = BTreeMap::new();
        self.export(&Vec::new(), "redis_collections", &mut exports);
        let public: BTreeSet<_> = exports.values().map(|(_, definition)| definition).collect();
        let mut list = String::new();
        for (path, (attributes, definition)) in &exports {
            let item = self.item(definition).expect("the definition");
            let mut items = vec![declaration(item.clone(), attributes)];
            items.extend(self.implementations(definition, &public));
            list += &format!("// {path}\n{}\n", text(items));
        }
        list
    }

    /// Adds what a public module exports, under its public path.
    fn export(
        &self,
        module: &Module,
        path: &str,
        exports: &mut BTreeMap<String, (Vec<Attribute>, Definition)>,
    ) {
        for item in &self.0[module] {
            match item {
                Item::Use(import) if is_public(&import.vis) => {
                    for (imported, name) in flat(&import.tree) {
                        if let Some(definition) = self.resolve(module, &imported) {
                            let attributes = conditions(&import.attrs);
                            exports.insert(format!("{path}::{name}"), (attributes, definition));
                        }
                    }
                }
                Item::Mod(inner) if is_public(&inner.vis) => {
                    let name = inner.ident.to_string();
                    let path = format!("{path}::{name}");
                    self.export(&[module.clone(), vec![name]].concat(), &path, exports);
                }
                _ => {
                    if let Some((name, visibility)) = named(item)
                        && is_public(visibility)
                    {
                        let definition = (module.clone(), name.clone());
                        exports.insert(format!("{path}::{name}"), (Vec::new(), definition));
                    }
                }
            }
        }
    }

    /// Finds what a path within a module means, if that is defined in this crate.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<Definition> {
        let (name, parents) = path.split_last()?;
        let mut place = module.clone();
        for (position, parent) in parents.iter().enumerate() {
            match parent.as_str() {
                "crate" => place = Vec::new(),
                "self" => {}
                "super" => drop(place.pop()),
                child => {
                    place.push(child.to_owned());
                    if !self.0.contains_key(&place) {
                        // A module that is itself imported, or another crate.
                        place.pop();
                        let (mut of, child) = self.import(&place, child, position == 0)?;
                        of.push(child);
                        place = of;
                    }
                }
            }
        }
        let items = self.0.get(&place)?;
        if items.iter().filter_map(named).any(|(defined, _)| defined == *name) {
            return Some((place, name.clone()));
        }
        let imports = items.iter().filter_map(|item| match item {
            Item::Use(import) => Some(flat(&import.tree)),
            _ => None,
        });
        let imported = imports.flatten().find(|(_, known)| known == name)?;
        self.resolve(&place, &imported.0)
    }

    /// Finds a module that is imported under a name.
    fn import(&self, place: &Module, name: &str, is_first: bool) -> Option<Definition> {
        let imports = self.0.get(place)?.iter().filter_map(|item| match item {
            Item::Use(import) if is_first => Some(flat(&import.tree)),
            _ => None,
        });
        let (path, _) = imports.flatten().find(|(_, known)| known == name)?;
        let (last, parents) = path.split_last()?;
        let mut of = place.clone();
        for parent in parents {
            match parent.as_str() {
                "crate" => of = Vec::new(),
                "self" => {}
                "super" => drop(of.pop()),
                child => of.push(child.to_owned()),
            }
        }
        let module = [of.clone(), vec![last.clone()]].concat();
        self.0.contains_key(&module).then(|| (of, last.clone()))
    }

    fn item(&self, (module, name): &Definition) -> Option<&Item> {
        self.0[module].iter().find(|item| named(item).is_some_and(|(known, _)| known == *name))
    }

    /// The implementations of a type, without those of private traits, in an order that does not
    /// depend on where they are written.
    fn implementations(&self, of: &Definition, public: &BTreeSet<&Definition>) -> Vec<Item> {
        let mut blocks = BTreeMap::new();
        for (module, items) in &self.0 {
            for item in items {
                let Item::Impl(block) = item else { continue };
                let Type::Path(target) = &*block.self_ty else { continue };
                let path = |path: &syn::Path| -> Vec<String> {
                    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
                };
                if self.resolve(module, &path(&target.path)).as_ref() != Some(of) {
                    continue;
                }
                let implemented = block.trait_.as_ref().map(|(_, implemented, _)| implemented);
                let implemented = implemented.and_then(|it| self.resolve(module, &path(it)));
                if implemented.is_some_and(|implemented| !public.contains(&implemented)) {
                    continue;
                }
                let Some(mut block) = signatures(block.clone()) else { continue };
                let items = mem::take(&mut block.items);
                let header = text(vec![Item::Impl(block.clone())]);
                blocks.entry(header).or_insert(block).items.extend(items);
            }
        }
        let sorted = |mut block: ItemImpl| {
            let alone = |item: &ImplItem| text(vec![parse_quote!(impl Of { #item })]);
            block.items.sort_by_cached_key(alone);
            Item::Impl(block)
        };
        blocks.into_values().map(sorted).collect()
    }
}

fn text(items: Vec<Item>) -> String {
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items })
}

fn parsed(file: &Path) -> Vec<Item> {
    let text = fs::read_to_string(file).expect("a source file");
    syn::parse_file(&text).expect("Rust").items
}

/// An item without its docs and private fields.
fn declaration(mut item: Item, conditions_of_export: &[Attribute]) -> Item {
    let tidy = |attributes: &mut Vec<Attribute>| {
        attributes.retain(is_listed);
        attributes.splice(0..0, conditions_of_export.iter().cloned());
    };
    match &mut item {
        Item::Struct(item) => {
            tidy(&mut item.attrs);
            match &mut item.fields {
                Fields::Named(fields) => {
                    let fields = std::mem::take(&mut fields.named);
                    let public = fields.into_iter().filter(|field| is_public(&field.vis));
                    let mut named: syn::FieldsNamed = parse_quote!({});
                    named.named.extend(public.map(|mut field| {
                        field.attrs.retain(is_listed);
                        field
                    }));
                    item.fields = Fields::Named(named);
                }
                Fields::Unnamed(fields) if !fields.unnamed.iter().all(|it| is_public(&it.vis)) => {
                    item.fields = Fields::Named(parse_quote!({}));
                    item.semi_token = None;
                }
                _ => {}
            }
        }
        Item::Enum(item) => {
            tidy(&mut item.attrs);
            for variant in &mut item.variants {
                variant.attrs.retain(is_listed);
                variant.fields.iter_mut().for_each(|field| field.attrs.retain(is_listed));
            }
        }
        Item::Trait(item) => {
            tidy(&mut item.attrs);
            for inner in &mut item.items {
                match inner {
                    TraitItem::Fn(method) => {
                        method.attrs.retain(is_listed);
                        method.default = method.default.as_ref().map(|_| empty());
                    }
                    TraitItem::Type(kind) => kind.attrs.retain(is_listed),
                    TraitItem::Const(constant) => constant.attrs.retain(is_listed),
                    _ => {}
                }
            }
        }
        Item::Fn(item) => {
            tidy(&mut item.attrs);
            *item.block = empty();
        }
        Item::Type(item) => tidy(&mut item.attrs),
        Item::Const(item) => tidy(&mut item.attrs),
        _ => {}
    }
    item
}

/// An implementation without bodies, if users can see anything of it.
fn signatures(mut block: ItemImpl) -> Option<ItemImpl> {
    if is_of_tests(&block.attrs) {
        return None;
    }
    block.attrs.retain(is_listed);
    let is_of_trait = block.trait_.is_some();
    block.items.retain(|item| match item {
        ImplItem::Fn(method) => !is_of_trait && is_public(&method.vis),
        ImplItem::Const(constant) => !is_of_trait && is_public(&constant.vis),
        ImplItem::Type(_) => true,
        _ => false,
    });
    for item in &mut block.items {
        match item {
            ImplItem::Fn(method) => {
                method.attrs.retain(is_listed);
                method.block = empty();
            }
            ImplItem::Const(constant) => constant.attrs.retain(is_listed),
            _ => {}
        }
    }
    (is_of_trait || !block.items.is_empty()).then_some(block)
}

/// Returns whether an attribute is part of the API.
fn is_listed(attribute: &Attribute) -> bool {
    ["cfg", "derive", "must_use", "non_exhaustive", "deprecated"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        let condition = attribute.parse_args::<syn::Path>();
        attribute.path().is_ident("cfg") && condition.is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn empty() -> Block {
    parse_quote!({})
}

fn named(item: &Item) -> Option<(String, &Visibility)> {
    let (name, visibility) = match item {
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Const(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((name.to_string(), visibility))
}

/// The paths that a `use` imports, each with the name that it gets.
fn flat(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let rest = flat(&path.tree).into_iter();
            rest.map(|(rest, name)| ([vec![first.clone()], rest].concat(), name)).collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Group(group) => group.items.iter().flat_map(flat).collect(),
        UseTree::Glob(_) => Vec::new(),
    }
}
