//! The arguments of the program.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use redis_collections_cli::documents::Document;
use redis_collections_cli::options::{Options, time};

/// Manages work queues in Redis or Valkey
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
    /// Connect to a cluster, where queue names need a hash tag: {mail} [default: if the server is a
    /// node of one]
    #[arg(long, global = true, conflicts_with = "sentinel", help_heading = "Global options")]
    pub(crate) cluster: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the queues of the database, with their contents
    ///
    /// A list to which jobs were only pushed so far is not known to be a queue.
    List,
    /// Show the contents and counters of a queue
    #[command(override_usage = "rcq stats <QUEUE> [--watch[=TIME]] [OPTIONS]")]
    Stats {
        #[command(flatten)]
        queue: Queue,
        /// Repeat every TIME (default 1s) until Ctrl-C, with rates and their history
        #[arg(
            short,
            long,
            value_name = "TIME",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "1s",
            value_parser = interval
        )]
        watch: Option<Duration>,
    },
    /// List consumers and the jobs that they have claimed
    Running {
        #[command(flatten)]
        queue: Queue,
        /// Maximum number of jobs of each consumer
        #[arg(short = 'n', long, default_value_t = 10)]
        count: usize,
    },
    /// List pending jobs, next first, without claiming them
    Peek {
        #[command(flatten)]
        queue: Queue,
        /// Maximum number of jobs
        #[arg(short = 'n', long, default_value_t = 10)]
        count: usize,
    },
    /// Append jobs: the arguments, or else the lines of standard input
    ///
    /// A queue need not exist before. A line ends with \n; a \r before it is a part of the job.
    Push {
        #[command(flatten)]
        queue: Queue,
        /// Jobs, in the format that their consumers expect
        #[arg(value_name = "JOB")]
        jobs: Vec<OsString>,
        /// Delay the jobs by TIME
        #[arg(short, long, value_name = "TIME", value_parser = time)]
        delay: Option<Duration>,
        /// Push the job only if none was pushed under this key within the time window
        #[arg(short = 'k', long, value_name = "KEY", requires = "jobs", conflicts_with = "delay")]
        unique: Option<OsString>,
        /// Time window for --unique
        #[arg(long, value_name = "TIME", value_parser = time, default_value = "1h", requires = "unique")]
        within: Duration,
    },
    /// Stop claiming: consumers get no more jobs
    Pause {
        #[command(flatten)]
        queue: Queue,
        /// Pause a queue to which nothing was pushed yet, too
        #[arg(long)]
        create: bool,
    },
    /// Resume claiming
    Resume(Queue),
    /// Remove all pending and delayed jobs
    ///
    /// It also frees all keys of `push --unique`, so that jobs can be pushed under them again at
    /// once.
    Purge {
        #[command(flatten)]
        queue: Queue,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Manage the dead-letter queue: jobs that failed too often
    #[command(subcommand)]
    Dead(Dead),
    /// Wait until no job is pending, in flight or delayed
    ///
    /// The queue must exist. One from which consumers have claimed jobs still does when it is empty.
    Drain {
        #[command(flatten)]
        queue: Queue,
        /// Maximum time to wait; the exit code is 3 if it runs out
        #[arg(short, long, value_name = "TIME", value_parser = time)]
        timeout: Option<Duration>,
    },
    #[command(flatten)]
    Document(Document),
}

#[derive(Subcommand)]
pub(crate) enum Dead {
    /// List dead jobs, oldest first
    List {
        #[command(flatten)]
        queue: Queue,
        /// Maximum number of jobs
        #[arg(short = 'n', long, default_value_t = 10)]
        count: usize,
    },
    /// Move dead jobs to the end of the queue, as if they had never been delivered
    Requeue {
        #[command(flatten)]
        queue: Queue,
        /// Maximum number of jobs, oldest first [default: all]
        #[arg(short = 'n', long)]
        count: Option<usize>,
    },
    /// Remove all dead jobs
    Purge {
        #[command(flatten)]
        queue: Queue,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
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
  rcq list
  rcq stats mail --watch
  rcq running mail
  rcq dead requeue mail --count 100
  rcq drain mail --timeout 30s && echo all done

A URL has the form redis://user:password@host:6379/0, the same with rediss for TLS, or
unix:///path/to/socket. Set it in the variable REDIS_URL to keep its password out of the list of
processes. An empty variable counts as unset.

With --sentinel the user and password in the URL are those of the Sentinel. Those of the master are
in the variables REDIS_MASTER_USER and REDIS_MASTER_PASSWORD.

rediss URLs, --ca, --cert and --key need a program that was built with the feature tls. Without
--ca, the variable SSL_CERT_FILE may name a file of root certificates in place of the system's.

Times are written like 250ms, 30s, 5m, 2h or 1d; a plain number means seconds.

Jobs and names may be any bytes. With --json, those that are not UTF-8 are shown as
{\"base64\": \"...\"} instead of a string; without it, control characters and bytes that are not
UTF-8 are escaped: \\n, \\u{1b}, \\xff.

All commands but push, list and pause --create fail if the queue does not exist.

Exit codes: 0 success; 1 failure; 2 wrong arguments, URL or kind of server; 3 not drained in time.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_between_statistics_has_a_minimum() {
        assert!(interval("99ms").is_err() && interval("100ms").is_ok());
    }
}
