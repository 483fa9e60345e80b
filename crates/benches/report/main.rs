//! Writes `docs/benchmarks/speed.md`, and its plots beside it, from what the benchmarks have
//! measured last.

mod machine;
mod plot;
mod summary;

use std::path::Path;
use std::{fs, process};

use redis_collections_benches::Section;

fn main() {
    let sections = SECTIONS.map(|name| {
        Section::read(name).unwrap_or_else(|error| {
            eprintln!("Nothing was measured of {name} ({error}): run `make bench`.");
            process::exit(1)
        })
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks");
    let mut text = format!("{HEAD}\n{}\n{READING}\n{}", machine::table(), summary::of(&sections));
    for section in &sections {
        text += &format!("\n## {}\n\n{}\n", section.title, wrapped(&section.method));
        let command = format!("{COMMAND} --bench {}", section.bench);
        let end = machine::written(&Section::file(&section.name));
        text += &format!("\nIt was measured until {end} UTC by:\n\n```sh\n{command}\n```\n");
        for table in &section.tables {
            text += &format!("\n{}", table.to_markdown());
        }
        for plot in &section.plots {
            text += &format!("\n![{}]({}.svg)\n", plot.title, plot.name);
            fs::write(folder.join(format!("{}.svg", plot.name)), plot::svg(plot)).unwrap();
        }
    }
    fs::write(folder.join("speed.md"), text).unwrap();
    println!("written: docs/benchmarks/speed.md");
}

/// Breaks lines as the other documents do.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + word.chars().count() < 100 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

const SECTIONS: [&str; 11] = [
    "single-operations",
    "bulk",
    "concurrency-threads",
    "concurrency-tasks",
    "near-cache-hits",
    "near-cache-writes",
    "queue-speed",
    "queue-waiting",
    "queue-delay",
    "keywords",
    "memory",
];
const COMMAND: &str = "cargo bench --manifest-path crates/benches/Cargo.toml";
const HEAD: &str = "\
# Speed

`make bench` has measured this and written this page. [Benchmarks](../benchmarks.md) is the index of
what is measured.

## Machine and versions
";
const READING: &str = "\
## How to read the figures

A figure with ± is the median of several rounds, and ± is half of the distance between the quartiles
of the rounds, in percent of the median. Within a round all contestants take turns, and every round
begins with another one. A ratio is computed in each round; its median need not be the ratio of the
medians. The server runs on the same machine as the program, so that both share its processors, and
a round trip costs no network.
";
