//! A counter, a configuration and a set, shared by several processes.
//!
//! Each process registers in the set, counts in the shared counter, and reads the configuration.
//! One process replaces the configuration again and again; no process may ever see it half
//! replaced. At the end the counter must be exact, and every process must have registered.
//!
//! ```sh
//! cargo run --example shared_state -- [PROCESSES]
//! ```

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, RedisSet};

const ROUNDS: u64 = 200;
const SETTINGS: [&str; 4] = ["address", "port", "timeout", "retries"];

struct Shared {
    counters: RedisDict<String, u64>,
    configuration: RedisHashDict<String, u64>,
    processes: RedisSet<u32>,
}

impl Shared {
    fn new(client: &Client, name: &str) -> Self {
        Self {
            counters: RedisDict::new(client, format!("{name}-counters")),
            configuration: RedisHashDict::new(client, format!("{name}-configuration")),
            processes: RedisSet::new(client, format!("{name}-processes")),
        }
    }

    /// The value of every setting is the number of its version.
    fn configure(&self, version: u64) -> redis_collections::Result<()> {
        self.configuration.replace_all(SETTINGS.map(|setting| (setting, &version)))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["take-part", url, name, number] => take_part(url, name, number),
        [] => lead(4),
        [processes] => processes.parse().map_err(Into::into).and_then(lead),
        _ => Err("usage: shared_state [PROCESSES]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn take_part(url: &str, name: &str, number: &str) -> Result<(), Box<dyn Error>> {
    let shared = Shared::new(&Client::open(url)?, name);
    if !shared.processes.insert(&std::process::id())? {
        return Err("this process was registered already".into());
    }
    for round in 1..=ROUNDS {
        shared.counters.increment("rounds", 1)?;
        if number == "1" {
            shared.configure(round)?;
        }
        let settings = shared.configuration.get_many(SETTINGS)?;
        if settings.iter().any(|setting| setting.is_none() || *setting != settings[0]) {
            return Err(format!("the configuration is half replaced: {settings:?}").into());
        }
    }
    Ok(())
}

fn lead(processes: u64) -> Result<(), Box<dyn Error>> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let name = format!("shared_state-{}", std::process::id());
    let shared = Shared::new(&Client::open(&url)?, &name);
    shared.configure(0)?;

    let program = env::current_exe()?;
    let start = |number: u64| {
        Command::new(&program).args(["take-part", &url, &name, &number.to_string()]).spawn()
    };
    let children = (1..=processes).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut failed = 0;
    for mut child in children {
        failed += u32::from(!child.wait()?.success());
    }

    let counted = shared.counters.get("rounds")?.unwrap_or(0);
    let registered = shared.processes.len()?;
    let version = shared.configuration.get("port")?;
    shared.counters.clear()?;
    shared.configuration.clear()?;
    shared.processes.clear()?;
    println!("{registered} processes counted to {counted}; the configuration is at {version:?}");
    match failed == 0 && counted == processes * ROUNDS && registered as u64 == processes {
        true => Ok(()),
        false => {
            Err(format!("expected {} rounds of {processes} processes", processes * ROUNDS).into())
        }
    }
}
