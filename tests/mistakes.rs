//! The likeliest mistakes do not compile, and the compiler then shows the advice of this crate.
//!
//! Each file of `tests/mistakes` makes one mistake. Its lines that begin with `//~` must be parts
//! of the compiler's output. The rest of the output may change with the version of the compiler.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The program without a mistake: it shows that the others fail only for theirs.
const CORRECT: &str = "correct.rs";

#[test]
fn every_mistake_is_refused_with_advice() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .expect("the mistakes")
        .map(|entry| entry.expect("a file").file_name())
        .filter(|name| name != CORRECT)
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let text = fs::read_to_string(folder().join(&name)).expect("a program");
        let advice: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
        assert!(!advice.is_empty(), "{name:?} expects nothing");
        let errors = compile(&name, &LIBRARY).err();
        let errors = errors.unwrap_or_else(|| panic!("{name:?} compiles"));
        for advice in advice {
            assert!(errors.contains(advice), "{name:?} does not show {advice:?}:\n{errors}");
        }
    }
}

/// The library that this test was built with: the latest one in the same folder, with all features
/// that the programs need. A build of other features may lie beside it.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let entries = fs::read_dir(dependencies()).expect("the built libraries");
    let mut libraries: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_library = name.starts_with("libredis_collections-") && name.ends_with(".rlib");
            let built = entry.metadata().ok()?.modified().ok()?;
            is_library.then(|| (built, entry.path()))
        })
        .collect();
    libraries.sort();
    let mut errors = String::new();
    while let Some((_, library)) = libraries.pop() {
        match compile(OsStr::new(CORRECT), &library) {
            Ok(()) => return library,
            Err(printed) => errors = printed,
        }
    }
    panic!("no library compiles {CORRECT}: {errors}")
});

/// Checks a program, and returns the output of the compiler if it refuses it.
fn compile(name: &OsStr, library: &Path) -> Result<(), String> {
    let mut external = OsStr::new("redis_collections=").to_owned();
    external.push(library);
    let mut search = OsStr::new("dependency=").to_owned();
    search.push(dependencies());
    let mut compiler = Command::new(compiler());
    compiler.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"]);
    compiler.arg("--extern").arg(external).arg("-L").arg(search);
    compiler.arg("--out-dir").arg(env!("CARGO_TARGET_TMPDIR")).arg(folder().join(name));
    let output = compiler.output().expect("the compiler runs");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(printed) }
}

/// The compiler beside the cargo that built this test, which can read its libraries.
fn compiler() -> PathBuf {
    let beside = Path::new(env!("CARGO")).with_file_name("rustc");
    if beside.exists() { beside } else { "rustc".into() }
}

fn dependencies() -> PathBuf {
    let program = env::current_exe().expect("this program");
    program.parent().expect("its folder").to_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}
