//! A list as a work queue between processes.
//!
//! One process pushes the path of every file under a directory; workers, each a process of its own,
//! take them with a blocking pop, read the files, and add up lines, words and bytes by file extension
//! in a hash that all share. At the end the totals must equal a count made by one process.
//!
//! ```sh
//! cargo run --release --example work_queue -- [DIRECTORY] [--workers N]
//! ```
//!
//! The directory is the sources of this crate's dependencies if none is given. With `REDIS_URL` set
//! the queue lives there, otherwise on a server that this program starts.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use redis_collections::{Client, LocalServer, RedisHashDict, RedisList};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Files, lines, words and bytes of the files with one extension.
type Counts = [u64; 4];

const COUNTED: [&str; 4] = ["files", "lines", "words", "bytes"];

/// How long a worker waits for a job before it concludes that nobody feeds the queue any more.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", url, queue, number] => work(url, queue, number),
        [] => sources().and_then(|directory| lead(&directory, workers(None)?)),
        [directory] => workers(None).and_then(|workers| lead(directory.as_ref(), workers)),
        ["--workers", number] => {
            sources().and_then(|directory| lead(&directory, workers(Some(number))?))
        }
        [directory, "--workers", number] => {
            workers(Some(number)).and_then(|workers| lead(directory.as_ref(), workers))
        }
        _ => Err("usage: work_queue [DIRECTORY] [--workers N]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What all processes share.
struct Queue {
    /// Paths; an empty one tells a worker to stop.
    jobs: RedisList<Vec<u8>>,
    /// `rs lines` and the like.
    totals: RedisHashDict<String, u64>,
    /// How many jobs each worker has done.
    done: RedisHashDict<String, u64>,
}

impl Queue {
    fn new(client: &Client, name: &str) -> Self {
        Self {
            jobs: RedisList::new(client, format!("{name}:jobs")),
            totals: RedisHashDict::new(client, format!("{name}:totals")),
            done: RedisHashDict::new(client, format!("{name}:done")),
        }
    }

    fn clear(&self) -> redis_collections::Result<()> {
        self.jobs.clear().and(self.totals.clear()).and(self.done.clear()).map(drop)
    }
}

/// A worker: takes jobs until it is told to stop.
fn work(url: &str, name: &str, number: &str) -> Outcome<()> {
    let client = Client::builder(url).name(format!("{name}:{number}")).build()?;
    let queue = Queue::new(&client, name);
    let (totals, done) = (queue.totals.deferred(), queue.done.deferred());
    loop {
        let path = queue.jobs.wait_pop_front(PATIENCE)?.ok_or("no job came")?;
        if path.is_empty() {
            return Ok(());
        }
        let (extension, counts) = count(Path::new(OsStr::from_bytes(&path)));
        let add = |place: usize| {
            totals.increment(&format!("{extension} {}", COUNTED[place]), counts[place] as i64)
        };
        client.transaction((add(0), add(1), add(2), add(3), done.increment(number, 1)))?;
    }
}

/// The leader: feeds the queue, watches it, and checks the result.
fn lead(directory: &Path, workers: usize) -> Outcome<()> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let client = Client::open(&url)?;
    let name = format!("work_queue:{}", std::process::id());
    let queue = Queue::new(&client, &name);

    let mut files = Vec::new();
    list_files(directory, &mut files)?;
    if files.is_empty() {
        return Err(format!("there is no file in {}", directory.display()).into());
    }
    println!("{} files in {}", HumanCount(files.len() as u64), directory.display());

    let started = Instant::now();
    let program = env::current_exe()?;
    let worker = |number: usize| {
        let number = number.to_string();
        Command::new(&program).args(["worker", &url, &name, &number]).spawn()
    };
    let mut children = (1..=workers).map(worker).collect::<io::Result<Vec<_>>>()?;
    let outcome =
        feed(&queue, &files, workers).and_then(|()| watch(&queue, &mut children, files.len()));
    if outcome.is_err() {
        children.iter_mut().for_each(|child| drop(child.kill()));
    }
    for mut child in children {
        let status = child.wait()?;
        if !status.success() && outcome.is_ok() {
            return Err(format!("a worker ended with {status}").into());
        }
    }
    let elapsed = started.elapsed();
    let totals = outcome.and_then(|()| read_totals(&queue));
    let shares: BTreeMap<String, u64> = queue.done.to_map()?.into_iter().collect();
    queue.clear()?;
    let totals = totals?;

    print_table(&totals);
    let pace = files.len() as f64 / elapsed.as_secs_f64();
    println!("{pace:.0} jobs/s with {workers} worker processes, which did {shares:?}");
    check(&totals, &files)
}

fn feed(queue: &Queue, files: &[PathBuf], workers: usize) -> Outcome<()> {
    for chunk in files.chunks(1000) {
        queue.jobs.push_many(chunk.iter().map(|path| path.as_os_str().as_bytes()))?;
    }
    queue.jobs.push_many(vec![&b""[..]; workers])?;
    Ok(())
}

/// Shows the progress until all jobs are done.
fn watch(queue: &Queue, children: &mut [Child], jobs: usize) -> Outcome<()> {
    let bar = ProgressBar::new(jobs as u64);
    if io::stderr().is_terminal() {
        let style = "{wide_bar} {pos}/{len} jobs, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style)?);
    } else {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    loop {
        let done: u64 = queue.done.values().sum::<redis_collections::Result<u64>>()?;
        bar.set_position(done);
        if done >= jobs as u64 {
            bar.finish();
            return Ok(());
        }
        for child in children.iter_mut() {
            if let Some(status) = child.try_wait()?.filter(|status| !status.success()) {
                return Err(format!("a worker ended early with {status}").into());
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn read_totals(queue: &Queue) -> Outcome<BTreeMap<String, Counts>> {
    let mut totals: BTreeMap<String, Counts> = BTreeMap::new();
    for entry in queue.totals.iter() {
        let (field, sum) = entry?;
        let (extension, counted) = field.rsplit_once(' ').ok_or("a field without a space")?;
        let place = COUNTED.iter().position(|other| *other == counted).ok_or("an unknown field")?;
        totals.entry(extension.to_owned()).or_default()[place] = sum;
    }
    Ok(totals)
}

/// Compares the totals with a count of the same files made here.
fn check(totals: &BTreeMap<String, Counts>, files: &[PathBuf]) -> Outcome<()> {
    let mut expected: BTreeMap<String, Counts> = BTreeMap::new();
    for path in files {
        let (extension, counts) = count(path);
        let sums = expected.entry(extension).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    if *totals != expected {
        return Err("the totals differ from a count made in one process".into());
    }
    println!("The totals equal a count made in one process.");
    Ok(())
}

/// The extension of a file and what is in it. A file that cannot be read counts as a file.
fn count(path: &Path) -> (String, Counts) {
    let extension = path.extension().unwrap_or(OsStr::new("(none)")).to_string_lossy().into_owned();
    let content = fs::read(path).unwrap_or_default();
    let lines = content.iter().filter(|byte| **byte == b'\n').count() as u64;
    let words =
        content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() as u64;
    (extension, [1, lines, words, content.len() as u64])
}

fn print_table(totals: &BTreeMap<String, Counts>) {
    const SHOWN: usize = 15;
    let mut rows: Vec<(&str, Counts)> =
        totals.iter().map(|(extension, counts)| (extension.as_str(), *counts)).collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[3]));
    let sum = |rows: &[(&str, Counts)]| {
        rows.iter().fold(Counts::default(), |sums, (_, counts)| {
            std::array::from_fn(|place| sums[place] + counts[place])
        })
    };
    println!("{:12} {:>9} {:>12} {:>12} {:>11}", "extension", "files", "lines", "words", "bytes");
    let print = |name: &str, [files, lines, words, bytes]: Counts| {
        let [files, lines, words] =
            [files, lines, words].map(|count| HumanCount(count).to_string());
        println!(
            "{name:12} {files:>9} {lines:>12} {words:>12} {:>11}",
            HumanBytes(bytes).to_string()
        );
    };
    rows.iter().take(SHOWN).for_each(|(extension, counts)| print(extension, *counts));
    if rows.len() > SHOWN {
        print(&format!("{} others", rows.len() - SHOWN), sum(&rows[SHOWN..]));
    }
    print("all", sum(&rows));
}

/// Every file below `directory`, links left out.
fn list_files(directory: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    let entries = fs::read_dir(directory)
        .map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list_files(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The sources of the crate's dependencies, which cargo has unpacked.
fn sources() -> Outcome<PathBuf> {
    let home = |name| env::var_os(name).map(PathBuf::from);
    let cargo = home("CARGO_HOME").or_else(|| home("HOME").map(|home| home.join(".cargo")));
    Ok(cargo.ok_or("neither CARGO_HOME nor HOME is set")?.join("registry/src"))
}

fn workers(number: Option<&str>) -> Outcome<usize> {
    match number {
        Some(number) => match number.parse() {
            Ok(0) | Err(_) => Err(format!("{number} is no number of workers").into()),
            Ok(number) => Ok(number),
        },
        None => Ok(thread::available_parallelism()?.get()),
    }
}
