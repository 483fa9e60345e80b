//! Feature flags that several processes serve from near caches, while one process changes them.
//!
//! Each server process reads flags as fast as it can, as a web server would at every request. All
//! processes see a change about a round trip later. At the end they report the number of their
//! reads, the number of reads that asked the server, and the time until each change was visible.
//!
//! ```sh
//! cargo run --release --example feature_flags -- [PROCESSES [SECONDS]]
//! ```

use std::env;
use std::error::Error;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use redis_collections::{CachedDict, Client, Json, LocalServer, NearCacheSettings, RedisDict};
use serde::{Deserialize, Serialize};

const FLAGS: usize = 100;
const CHANGES_A_SECOND: u32 = 500;

#[derive(Serialize, Deserialize)]
struct Flag {
    enabled: bool,
    rollout_percent: u8,
    /// In microseconds since 1970, just before the change was written.
    changed: u64,
}

/// The report of a server process.
#[derive(Default, Serialize, Deserialize)]
struct Report {
    reads: u64,
    hits: u64,
    seconds: f64,
    /// The microseconds until each change was visible.
    delays: Vec<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", url, name, seconds] => serve(url, name, seconds),
        [] => lead("3", "2"),
        [processes] => lead(processes, "2"),
        [processes, seconds] => lead(processes, seconds),
        _ => Err("usage: feature_flags [PROCESSES [SECONDS]]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves flags, and prints a report at the end.
fn serve(url: &str, name: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::open(url)?;
    let flags: RedisDict<u64, Json<Flag>> = RedisDict::new(&client, name);
    let flags: CachedDict<_, _> = flags.cached(NearCacheSettings::tracking())?;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds.parse()?);
    let mut seen: Vec<u64> = Vec::new();
    for flag in 0..FLAGS as u64 {
        seen.push(flags.get(&flag)?.ok_or("a flag is missing")?.changed);
    }
    let mut report = Report::default();
    while Instant::now() < end {
        for (flag, seen) in seen.iter_mut().enumerate() {
            let value = flags.get(&(flag as u64))?.ok_or("a flag is missing")?;
            if value.changed != *seen {
                *seen = value.changed;
                report.delays.push(now()?.saturating_sub(value.changed));
            }
        }
    }
    let stats = flags.stats();
    (report.reads, report.hits) = (stats.hits + stats.misses + stats.joined, stats.hits);
    report.seconds = began.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Starts the server processes, changes flags while they serve, and sums up.
fn lead(processes: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let name = format!("feature_flags-{}", std::process::id());
    let client = Client::open(&url)?;
    let flags: RedisDict<u64, Json<Flag>> = RedisDict::new(&client, name.as_str());
    for flag in 0..FLAGS as u64 {
        change(&flags, flag)?;
    }
    let serve = |_| -> std::io::Result<Child> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["serve", &url, &name, seconds]).stdout(Stdio::piped()).spawn()
    };
    let servers = (0..processes.parse()?).map(serve).collect::<Result<Vec<_>, _>>()?;
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let mut next = Instant::now();
    for flag in (0..FLAGS as u64).cycle() {
        next += Duration::from_secs(1) / CHANGES_A_SECOND;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if next > end {
            break;
        }
        change(&flags, flag)?;
    }
    let mut all = Report::default();
    for server in servers {
        let output = server.wait_with_output()?;
        if !output.status.success() {
            return Err("a process failed".into());
        }
        let report: Report = serde_json::from_slice(&output.stdout)?;
        println!(
            "{:>12.0} reads/s, {:.3} % from the cache, {} changes seen",
            report.reads as f64 / report.seconds,
            100.0 * report.hits as f64 / report.reads as f64,
            report.delays.len(),
        );
        all.delays.extend(report.delays);
    }
    flags.clear()?;
    all.delays.sort_unstable();
    let percentile = |part: f64| {
        let last = all.delays.len().checked_sub(1)?;
        Some(all.delays[(last as f64 * part) as usize])
    };
    let (Some(median), Some(p99), Some(most)) =
        (percentile(0.5), percentile(0.99), percentile(1.0))
    else {
        return Err("no change was seen".into());
    };
    println!("a change was seen after {median} µs (median), {p99} µs (99 %), {most} µs (at most)");
    Ok(())
}

fn change(flags: &RedisDict<u64, Json<Flag>>, flag: u64) -> Result<(), Box<dyn Error>> {
    let changed = now()?;
    let value = Flag { enabled: changed % 2 == 0, rollout_percent: (changed % 101) as u8, changed };
    Ok(flags.insert(&flag, &value)?)
}

#[allow(clippy::disallowed_methods, reason = "several processes on one machine")]
fn now() -> Result<u64, Box<dyn Error>> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros().try_into()?)
}
