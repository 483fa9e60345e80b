//! The arguments of the program.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use redis_collections_cli::options::{Options, time};

/// Looks after work queues in Redis or Valkey: lists, to which anybody may push jobs
#[derive(Parser)]
#[command(
    name = "rcq",
    version,
    arg_required_else_help = true,
    after_help = EXAMPLES_AND_CONVENTIONS
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: Options,
    /// The server is a node of a cluster, where names of queues need a hash tag: {mail}
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) cluster: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show how many jobs wait, run, failed and were done
    #[command(override_usage = "rcq stats <QUEUE> [OPTIONS]")]
    Stats {
        #[command(flatten)]
        queue: Queue,
        /// Go on showing it, every second or every TIME, with rates and their course, until Ctrl-C
        #[arg(
            short,
            long,
            value_name = "TIME",
            num_args = 0..=1,
            default_missing_value = "1s",
            value_parser = interval
        )]
        watch: Option<Duration>,
    },
    /// Show the first jobs that wait, without claiming them
    Peek {
        #[command(flatten)]
        queue: Queue,
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 10)]
        count: usize,
    },
    /// Add jobs to the end: the arguments, or else the lines of standard input
    Push {
        #[command(flatten)]
        queue: Queue,
        /// Jobs, as their consumers expect them
        #[arg(value_name = "JOB")]
        jobs: Vec<OsString>,
        /// Let them wait for TIME first
        #[arg(short, long, value_name = "TIME", value_parser = time)]
        delay: Option<Duration>,
        /// Push the job only if none was pushed under this key lately
        #[arg(short = 'k', long, value_name = "KEY", requires = "jobs", conflicts_with = "delay")]
        unique: Option<OsString>,
        /// How long ago is lately
        #[arg(long, value_name = "TIME", value_parser = time, default_value = "1h", requires = "unique")]
        within: Duration,
    },
    /// Let consumers claim no more jobs
    Pause(Queue),
    /// Let them claim again
    Resume(Queue),
    /// Look after the jobs that failed too often
    #[command(subcommand)]
    Dead(Dead),
    /// Wait until no job waits, runs or is delayed: until consumers have done all
    Drain {
        #[command(flatten)]
        queue: Queue,
        /// For how long at most; then the exit code is 3
        #[arg(short, long, value_name = "TIME", value_parser = time)]
        timeout: Option<Duration>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Dead {
    /// Show the first of them, the oldest ones
    List {
        #[command(flatten)]
        queue: Queue,
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 10)]
        count: usize,
    },
    /// Put them back at the end of the queue, as if they had never been delivered
    Requeue {
        #[command(flatten)]
        queue: Queue,
        /// How many at most, the oldest ones; all by default
        #[arg(short = 'n', long)]
        count: Option<usize>,
    },
    /// Remove all of them
    Purge(Queue),
}

#[derive(Args)]
pub(crate) struct Queue {
    /// The name of the queue
    #[arg(value_name = "QUEUE")]
    pub(crate) name: OsString,
}

fn interval(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time < SHORTEST_INTERVAL => Err("100ms is the shortest".into()),
        time => Ok(time),
    }
}

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

const EXAMPLES_AND_CONVENTIONS: &str = "\
Examples:
  rcq push mail 'to ann' 'to bob'
  rcq push mail --delay 5m < jobs.txt
  rcq stats mail --watch
  rcq dead requeue mail --count 100
  rcq drain mail --timeout 30s && echo all done

A URL is redis://user:password@host:6379/0 or unix:///path/to/socket; from the variable REDIS_URL its
password is not seen in the list of processes.

Times are written like 250ms, 30s, 5m, 2h or 1d; a number alone means seconds.

Jobs and names are any bytes. With --json, those that are not UTF-8 are {\"base64\": \"...\"} in the
place of a string; without, what cannot be printed is shown as \\n, \\xff and the like.

Exit codes: 0 done; 1 failed; 2 wrong arguments, URL or kind of server; 3 not drained in time.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_between_statistics_has_a_minimum() {
        assert!(interval("99ms").is_err() && interval("100ms").is_ok());
    }
}
