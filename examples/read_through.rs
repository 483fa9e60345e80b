//! Processes that query a slow source, without and with a read-through cache.
//!
//! The source is a large access log: "how many requests did this user make, and how many bytes were
//! sent?" takes a scan of the whole file. Each process queries from several threads, a few users
//! often and many users seldom. With the cache, one process scans, and all others find its answer
//! in Redis until the answer is a second old.
//!
//! ```sh
//! cargo run --release --example read_through -- [PROCESSES [SECONDS]]
//! ```

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_collections::{CacheClient, CachePolicy, Client, Json, LocalServer};
use serde::{Deserialize, Serialize};

const LINES: u64 = 50_000;
const USERS: u64 = 100;
const THREADS: u64 = 4;

/// The requests and bytes of a user.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Usage {
    requests: u64,
    bytes: u64,
}

/// The report of a process.
#[derive(Default, Serialize, Deserialize)]
struct Report {
    loads: u64,
    /// The microseconds of each answer.
    latencies: Vec<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ask", log, seconds, seed] => ask(Path::new(log), seconds, seed, None),
        ["ask", log, seconds, seed, url, name] => {
            ask(Path::new(log), seconds, seed, Some((url, name)))
        }
        [] => lead("4", "2"),
        [processes] => lead(processes, "2"),
        [processes, seconds] => lead(processes, seconds),
        _ => Err("usage: read_through [PROCESSES [SECONDS]]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Scans the whole log.
fn scan(log: &Path, user: u64) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let wanted = format!("user-{user}");
    for line in BufReader::new(File::open(log)?).lines() {
        let line = line?;
        let mut words = line.split(' ');
        if words.next() == Some(&wanted) {
            usage.requests += 1;
            usage.bytes +=
                words.next_back().and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(usage)
}

/// Queries users for some seconds, and prints a report.
fn ask(
    log: &Path,
    seconds: &str,
    seed: &str,
    cached: Option<(&str, &str)>,
) -> Result<(), Box<dyn Error>> {
    let cache = cached.map(|(url, name)| cache(log, url, name)).transpose()?;
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let seed: u64 = seed.parse()?;
    let asking = |thread: u64| -> Result<Vec<u64>, String> {
        let mut random = Random(seed * THREADS + thread);
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let user = random.user();
            let began = Instant::now();
            let usage = match &cache {
                Some(cache) => cache.get(&user).map_err(|error| error.to_string())?,
                None => Some(Arc::new(scan(log, user).map_err(|error| error.to_string())?)),
            };
            usage.ok_or("a user is missing")?;
            latencies.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        Ok(latencies)
    };
    let mut report = Report::default();
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || asking(thread))).collect();
        for thread in threads {
            report.latencies.extend(thread.join().map_err(|_| "a thread failed")??);
        }
        Ok(())
    })?;
    report.loads = cache.map_or(report.latencies.len() as u64, |cache| cache.stats().loads);
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn cache(
    log: &Path,
    url: &str,
    name: &str,
) -> redis_collections::Result<CacheClient<u64, Json<Usage>>> {
    let client = Client::open(url)?;
    let log = log.to_owned();
    let policy = CachePolicy::time_to_live(Duration::from_secs(1))
        .jitter(0.2)
        .stale_while_revalidate(Duration::from_secs(1));
    CacheClient::new(&client, name, policy, move |user: u64, ()| scan(&log, user))
}

/// Writes the log, runs the processes without and with a cache, and sums up.
fn lead(processes: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let name = format!("read_through-{}", std::process::id());
    let log = Log::write(env::temp_dir().join(&name))?;
    let log_path = log.0.to_str().ok_or("the temporary directory has no plain name")?;
    let plain = vec!["ask", log_path, seconds];
    let processes = processes.parse()?;
    for (title, cached) in [("without a cache", false), ("with a cache", true)] {
        let asking = |seed: u64| -> io::Result<Child> {
            let mut command = Command::new(env::current_exe()?);
            command.args(&plain).arg(seed.to_string()).stdout(Stdio::piped());
            command.args(if cached { vec![&url, &name] } else { Vec::new() }).spawn()
        };
        let asking = (0..processes).map(asking).collect::<Result<Vec<_>, _>>()?;
        summarize(title, asking)?;
    }
    let cache = cache(&log.0, &url, &name)?;
    let (cached, scanned) = (cache.get(&0)?.ok_or("a user is missing")?, scan(&log.0, 0)?);
    cache.clear()?;
    if *cached != scanned {
        return Err("the cache has another answer than the log".into());
    }
    println!("The answers of the cache are those of the log.");
    Ok(())
}

fn summarize(title: &str, asking: Vec<Child>) -> Result<(), Box<dyn Error>> {
    let mut all = Report::default();
    for child in asking {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err("a process failed".into());
        }
        let report: Report = serde_json::from_slice(&output.stdout)?;
        all.loads += report.loads;
        all.latencies.extend(report.latencies);
    }
    all.latencies.sort_unstable();
    let answers = all.latencies.len();
    let percentile = |part: f64| {
        let last = answers.checked_sub(1)?;
        Some(all.latencies[(last as f64 * part) as usize])
    };
    let (Some(median), Some(p99)) = (percentile(0.5), percentile(0.99)) else {
        return Err("no caller got an answer".into());
    };
    println!(
        "{title}: {answers} answers, {} scans of the log ({:.2} % found), {median} µs (median), \
         {p99} µs (99 %)",
        all.loads,
        100.0 - 100.0 * all.loads as f64 / answers as f64,
    );
    Ok(())
}

/// The log. Dropping it removes the file.
struct Log(PathBuf);

impl Log {
    fn write(path: PathBuf) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(&path)?);
        let log = Self(path);
        let mut random = Random(1);
        for line in 0..LINES {
            let (user, bytes) = (random.user(), random.next() % 100_000);
            writeln!(
                file,
                "user-{user} {line:>9} \"GET /pages/{} HTTP/1.1\" 200 {bytes}",
                bytes % 97
            )?;
        }
        file.flush()?;
        Ok(log)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // It is a temporary file.
        let _ = fs::remove_file(&self.0);
    }
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }

    /// A user; low numbers are much more frequent.
    fn user(&mut self) -> u64 {
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (part.powi(3) * USERS as f64) as u64
    }
}
