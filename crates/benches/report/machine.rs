//! Where and with what was measured.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use redis::{InfoDict, cmd};
use redis_collections::LocalServer;
use redis_collections_benches::Table;

/// A table in Markdown.
pub(crate) fn table() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let mut table = Table::new("This machine", ["what", "value"]);
    let mut add = |what: &str, value: String| {
        table.rows.push(vec![what.into(), value.into()]);
    };
    add("date", output("date", &["-u", "+%Y-%m-%d"]));
    add("processor", field("/proc/cpuinfo", "model name", ':'));
    add("cores", cores.to_string());
    add("memory", field("/proc/meminfo", "MemTotal", ':'));
    add("system", field("/etc/os-release", "PRETTY_NAME", '='));
    add("kernel", output("uname", &["-sr"]));
    add("compiler", output("rustc", &["--version"]));
    add("server", server());
    add("commit", output("git", &["rev-parse", "--short", "HEAD"]));
    let locked = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"));
    let locked = locked.unwrap();
    PACKAGES.iter().for_each(|package| add(package, version(&locked, package)));
    table.to_markdown()
}

/// When a file was written.
pub(crate) fn written(file: &Path) -> String {
    output("date", &["-u", "-r", &file.to_string_lossy(), "+%Y-%m-%d %H:%M"])
}

fn server() -> String {
    let server = LocalServer::start().unwrap();
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).unwrap();
    let info: InfoDict = cmd("INFO").arg("server").query(&mut connection).unwrap();
    match info.get::<String>("valkey_version") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", info.get::<String>("redis_version").unwrap_or_default()),
    }
}

/// The versions of a package in a lock file, the newest first.
fn version(locked: &str, package: &str) -> String {
    let name = format!("name = \"{package}\"\nversion = \"");
    let versions = locked.split(&*name).skip(1).filter_map(|rest| rest.split('"').next());
    let mut versions: Vec<_> = versions.collect();
    versions.reverse();
    versions.join(", ")
}

/// What a file says of a key, if there is such a file on this system.
fn field(file: &str, key: &str, separator: char) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut fields = text.lines().filter_map(|line| line.split_once(separator));
    let value = fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value);
    value.unwrap_or("unknown").trim().trim_matches('"').to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "unknown".to_owned())
}

/// This crate, its driver, and what it is compared with. The older one of `redis` is the driver of
/// redis-work-queue.
const PACKAGES: [&str; 9] = [
    "redis-collections",
    "redis",
    "r2d2",
    "fred",
    "apalis-redis",
    "rsmq_async",
    "redis-work-queue",
    "quick_cache",
    "tokio",
];
