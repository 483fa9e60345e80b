//! How often caches load a missing key that many processes ask for: `stampede [SUBJECT]`.

use std::env;
use std::path::Path;

use redis_collections_peers::{Result, Stampede, Subject, run_as_worker};

fn main() -> Result<()> {
    if let Some(done) = run_as_worker(env::args().skip(1)) {
        return done;
    }
    let program = env::current_exe()?;
    let wanted = env::args().nth(1).unwrap_or_default();
    print!("subject        | processes | threads | loads | loads with a killed loader");
    println!(" | all answers right?");
    Subject::ALL
        .into_iter()
        .filter(|subject| subject.name().contains(&wanted))
        .try_for_each(|subject| show(subject, &program))
}

fn show(subject: Subject, program: &Path) -> Result<()> {
    let calm = Stampede { subject, processes: PROCESSES, threads: THREADS, kills: false };
    let outcomes = [calm.run(program)?, Stampede { kills: true, ..calm }.run(program)?];
    let [loads, loads_with_killed] = outcomes.each_ref().map(|outcome| outcome.loads);
    let is_right = outcomes.iter().all(|outcome| outcome.is_right());
    print!("{:14} | {PROCESSES:9} | {THREADS:7} | {loads:5}", subject.name());
    println!(" | {loads_with_killed:26} | {}", if is_right { "yes" } else { "no" });
    outcomes.iter().filter(|outcome| !outcome.is_right()).for_each(|wrong| println!("{wrong:?}"));
    Ok(())
}

const PROCESSES: usize = 8;
const THREADS: usize = 16;
