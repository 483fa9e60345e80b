//! A work queue between processes.
//!
//! One process pushes the path of every file under a directory. Workers, each a process of its own,
//! take the paths, read the files, and write the lines, words and bytes of each into a shared hash.
//! At the end the totals by file extension must equal a count made by one process. This holds even
//! if workers are killed at random: some files are then counted twice, and none is lost.
//!
//! ```sh
//! cargo run --release --example work_queue -- [DIRECTORY] [--workers N] [--kill]
//! ```
//!
//! The directory defaults to the sources of this crate's dependencies. The queue lives on the
//! server of `REDIS_URL`, by default on a server that this program starts.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use redis_collections::{
    Bincode, Client, Job, LocalServer, QueueSettings, RedisHashDict, StopHandle, WorkQueue,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Files, lines, words and bytes of the files with one extension.
type Counts = [u64; 4];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", url, queue, number] => work(url, queue, number),
        ref options => Options::parse(options).and_then(|options| lead(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    directory: PathBuf,
    workers: usize,
    kill: bool,
}

impl Options {
    fn parse(mut options: &[&str]) -> Outcome<Self> {
        let (mut directory, mut kill) = (None, false);
        let mut workers = thread::available_parallelism()?.get();
        while let [option, ref rest @ ..] = *options {
            options = rest;
            match (option, rest) {
                ("--kill", _) => kill = true,
                ("--workers", [number, rest @ ..]) => {
                    workers = number.parse().ok().filter(|workers| *workers > 0).ok_or(USAGE)?;
                    options = rest;
                }
                _ if option.starts_with('-') || directory.is_some() => return Err(USAGE.into()),
                _ => directory = Some(option.into()),
            }
        }
        Ok(Self { directory: directory.map_or_else(sources, Ok)?, workers, kill })
    }
}

/// The collections that all processes share.
struct Queue {
    /// Paths.
    jobs: WorkQueue<Vec<u8>>,
    /// The counts of each file. Counting a file again changes nothing.
    results: RedisHashDict<Vec<u8>, Bincode<Counts>>,
    /// How many jobs each worker has done.
    done: RedisHashDict<String, u64>,
}

impl Queue {
    fn new(client: &Client, name: &str) -> Self {
        let settings = QueueSettings::new().lease(Duration::from_secs(1)).max_deliveries(100);
        Self {
            jobs: WorkQueue::new(client, format!("{name}:jobs")).with(settings),
            results: RedisHashDict::new(client, format!("{name}:results")),
            done: RedisHashDict::new(client, format!("{name}:done")),
        }
    }
}

/// Runs a worker until its input ends.
fn work(url: &str, name: &str, number: &str) -> Outcome<()> {
    let client = Client::builder(url).name(format!("{name}:{number}")).build()?;
    let Queue { jobs, results, done } = Queue::new(&client, name);
    let (results, done, number) = (results.deferred(), done.deferred(), number.to_owned());
    let worker = jobs.worker(move |path: Job<Vec<u8>>| {
        let counts = count(Path::new(OsStr::from_bytes(&path)));
        client.transaction((results.insert(&path, &counts), done.increment(&number, 1))).map(drop)
    });
    let stop = StopHandle::new();
    thread::spawn({
        let stop = stop.clone();
        move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            stop.stop();
        }
    });
    worker.batch(16).run(&stop)?;
    Ok(())
}

/// The leader: feeds the queue, watches it, and checks the result.
fn lead(options: &Options) -> Outcome<()> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let name = format!("work_queue:{}", std::process::id());
    let queue = Queue::new(&Client::open(&url)?, &name);

    let mut files = Vec::new();
    list_files(&options.directory, &mut files)?;
    if files.is_empty() {
        return Err(format!("there is no file in {}", options.directory.display()).into());
    }
    println!("{} files in {}", HumanCount(files.len() as u64), options.directory.display());

    let started = Instant::now();
    let mut crew = Crew { url, name, workers: Vec::new(), hired: 0 };
    (0..options.workers).try_for_each(|_| crew.hire())?;
    run(&queue, &files, &mut crew, options.kill)?;
    let elapsed = started.elapsed();
    let killed = crew.hired - options.workers;
    crew.dismiss()?;
    let totals = read_totals(&queue)?;
    let shares: BTreeMap<String, u64> = queue.done.to_map()?.into_iter().collect();
    queue.results.clear().and(queue.done.clear())?;

    print_table(&totals);
    let pace = files.len() as f64 / elapsed.as_secs_f64();
    println!("{pace:.0} jobs/s with {} worker processes, which did {shares:?}", options.workers);
    if options.kill {
        let twice = shares.values().sum::<u64>() - files.len() as u64;
        println!("{killed} workers were killed, and {twice} jobs done once more.");
    }
    check(&totals, &files)
}

/// Pushes all files and waits until they are done. Kills workers, if asked to, each time a random
/// part of the pushed files is done.
fn run(queue: &Queue, files: &[PathBuf], crew: &mut Crew, kills: bool) -> Outcome<()> {
    let style = "{wide_bar} {pos}/{len} jobs, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style)?;
    let bar = ProgressBar::new(files.len() as u64).with_style(style);
    let look = |crew: &mut Crew| -> Outcome<usize> {
        crew.check()?;
        let done = queue.results.len()?;
        bar.set_position(done as u64);
        Ok(done)
    };
    let mut pushed = 0;
    for chunk in files.chunks(if kills { files.len().div_ceil(KILLS) } else { files.len() }) {
        queue.jobs.push_many(chunk.iter().map(|path| path.as_os_str().as_bytes()))?;
        pushed += chunk.len();
        if kills {
            let enough = pushed - random(chunk.len()) - 1;
            while look(crew)? < enough {
                thread::sleep(Duration::from_millis(1));
            }
            crew.kill_one()?;
        }
    }
    while !queue.jobs.drain(BETWEEN_LOOKS)? {
        look(crew)?;
    }
    bar.finish();
    Ok(())
}

/// The worker processes, which stop when their input ends.
struct Crew {
    url: String,
    name: String,
    workers: Vec<Child>,
    hired: usize,
}

impl Crew {
    fn hire(&mut self) -> Outcome<()> {
        self.hired += 1;
        let mut worker = Command::new(env::current_exe()?);
        worker.args(["worker", &self.url, &self.name, &self.hired.to_string()]);
        self.workers.push(worker.stdin(Stdio::piped()).spawn()?);
        Ok(())
    }

    fn kill_one(&mut self) -> Outcome<()> {
        let place = random(self.workers.len());
        self.workers[place].kill()?;
        self.workers.swap_remove(place).wait()?;
        self.hire()
    }

    /// Fails unless all workers are alive.
    fn check(&mut self) -> Outcome<()> {
        for worker in &mut self.workers {
            if let Some(status) = worker.try_wait()? {
                return Err(format!("a worker ended early with {status}").into());
            }
        }
        Ok(())
    }

    fn dismiss(self) -> Outcome<()> {
        for mut worker in self.workers {
            // This ends its input.
            let status = worker.wait()?;
            if !status.success() {
                return Err(format!("a worker ended with {status}").into());
            }
        }
        Ok(())
    }
}

/// Totals by extension.
fn read_totals(queue: &Queue) -> Outcome<BTreeMap<String, Counts>> {
    let results = queue.results.to_map()?;
    let paths = results.iter().map(|(path, counts)| (OsStr::from_bytes(path).as_ref(), *counts));
    Ok(add_up(paths))
}

fn add_up<'a>(files: impl Iterator<Item = (&'a Path, Counts)>) -> BTreeMap<String, Counts> {
    let mut totals: BTreeMap<String, Counts> = BTreeMap::new();
    for (path, counts) in files {
        let extension = path.extension().unwrap_or(OsStr::new("(none)")).to_string_lossy();
        let sums = totals.entry(extension.into_owned()).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    totals
}

/// Compares the totals with a count of the same files in this process.
fn check(totals: &BTreeMap<String, Counts>, files: &[PathBuf]) -> Outcome<()> {
    if *totals != add_up(files.iter().map(|path| (path.as_path(), count(path)))) {
        return Err("the totals differ from a count made in one process".into());
    }
    println!("The totals equal a count made in one process.");
    Ok(())
}

/// Counts a file. An unreadable file counts as a file.
fn count(path: &Path) -> Counts {
    let content = fs::read(path).unwrap_or_default();
    let lines = content.iter().filter(|byte| **byte == b'\n').count() as u64;
    let words =
        content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() as u64;
    [1, lines, words, content.len() as u64]
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

/// Every file below `directory`, except links.
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

/// The sources of the crate's dependencies, unpacked by cargo.
fn sources() -> Outcome<PathBuf> {
    let home = |name| env::var_os(name).map(PathBuf::from);
    let cargo = home("CARGO_HOME").or_else(|| home("HOME").map(|home| home.join(".cargo")));
    Ok(cargo.ok_or("neither CARGO_HOME nor HOME is set")?.join("registry/src"))
}

fn random(end: usize) -> usize {
    (RandomState::new().hash_one(0) % end as u64) as usize
}

const USAGE: &str = "usage: work_queue [DIRECTORY] [--workers N] [--kill]";
const KILLS: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
