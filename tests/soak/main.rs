//! A work queue under faults, with its producers and workers in processes of their own.
//!
//! ```sh
//! make soak SECONDS=60 SEED=7
//! cargo test --all-features --test soak -- SECONDS [SEED] [--plain] [--only=pauses,demote]
//! ```
//!
//! With `--plain` the workers take jobs by a blocking pop, which must lose some: the harness can
//! fail.

mod audit;
mod crew;
mod faults;
mod process;
mod producer;
mod random;
mod records;
mod servers;
mod terms;
mod worker;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use audit::Report;
use crew::Crew;
use faults::Faults;
use support::servers::Outcome;
use terms::Mode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["producer", number, seed, mode, url, record] => {
            producer::produce(number, seed, mode, url, record)
        }
        ["worker", number, mode, url, record] => worker::work(number, mode, url, record),
        [seconds, ref rest @ ..] => soak(seconds, rest),
        [] => Err("usage: soak SECONDS [SEED] [--plain] [--only=FAULT,FAULT]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn soak(seconds: &str, rest: &[&str]) -> Outcome {
    let time = Duration::from_secs(seconds.parse()?);
    let mode = if rest.contains(&"--plain") { Mode::Plain } else { Mode::Leases };
    let seed = match rest.iter().find(|word| !word.starts_with("--")) {
        Some(seed) => seed.parse()?,
        None => random::seed(),
    };
    println!("{mode}, {} s, seed {seed}", time.as_secs());
    let mut crew = Crew::gather(mode, seed)?;
    println!("{}, records in {}", crew.server_version()?, crew.directory());
    let only = rest.iter().find_map(|word| word.strip_prefix("--only="));
    let mut faults = Faults::inflict(&mut crew, seed, time, only)?;
    crew.stop_producers()?;
    let drained = crew.drain(|crew| faults.supervise(crew))?;
    let stopped = crew.stop_workers();
    let report = Report::of(&crew, faults)?;
    println!("{report}");
    let mut problems = report.problems(mode);
    if !drained {
        problems.push("the queue was not drained".into());
    }
    problems.extend(stopped.err().map(|error| error.to_string()));
    if !problems.is_empty() {
        return Err(problems.join("; ").into());
    }
    Ok(crew.remove_records()?)
}
