//! The arguments of the program.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use redis_collections_cli::documents::Document;
use redis_collections_cli::options::{Options, time};

/// Reads, writes and watches keywords: named, typed values that services publish in Redis or Valkey
#[derive(Parser)]
#[command(
    name = "rckey",
    version,
    arg_required_else_help = true,
    after_help = EXAMPLES_AND_CONVENTIONS
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the services, or the keywords of one service
    List {
        /// The name of a service
        service: Option<String>,
    },
    /// Describe keywords: their types, units, ranges, access, values and help
    Show(Keywords),
    /// Print the values of keywords, whether they are served or not
    Read {
        #[command(flatten)]
        keywords: Keywords,
        /// Print only the values, as they are stored in Redis
        #[arg(short, long, conflicts_with = "json")]
        raw: bool,
    },
    /// Set keywords, and report the outcome of each
    Write {
        /// The name of the service
        service: String,
        /// Keywords and their new values; write `\=` for an equals sign in a name
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        values: Vec<Assignment>,
        /// How long to wait for the outcomes
        #[arg(short, long, value_name = "TIME", value_parser = time, default_value = "10s")]
        timeout: Duration,
        /// Do not wait for the outcomes; succeed once a dispatcher has received the values
        #[arg(short, long, conflicts_with = "timeout")]
        no_wait: bool,
        /// Have the dispatcher act even if a keyword already has the value
        #[arg(short, long, conflicts_with = "no_wait")]
        force: bool,
    },
    /// Print values as they change, in a table on a terminal or else in lines, until Ctrl-C
    Watch(Keywords),
    #[command(flatten)]
    Document(Document),
}

#[derive(Args)]
pub(crate) struct Keywords {
    /// The name of the service
    pub(crate) service: String,
    /// Some of its keywords; defaults to all of them
    #[arg(value_name = "KEYWORD")]
    pub(crate) names: Vec<String>,
}

/// A name and a value, separated by `=`. Both may contain `=` too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment(Vec<(String, String)>);

impl Assignment {
    /// Returns the possible readings, the shortest name first. There is at least one.
    pub(crate) fn readings(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Parses an assignment. A `\=` belongs to the name.
fn assignment(text: &str) -> Result<Assignment, String> {
    let is_escaped = |at: &usize| text[..*at].ends_with('\\');
    let ends = text.match_indices('=').map(|(at, _)| at).filter(|at| *at > 0 && !is_escaped(at));
    let reading = |at| (text[..at].replace("\\=", "="), text[at + 1..].to_owned());
    let readings: Vec<_> = ends.map(reading).collect();
    if readings.is_empty() {
        Err("a value is written like NAME=VALUE".into())
    } else {
        Ok(Assignment(readings))
    }
}

const EXAMPLES_AND_CONVENTIONS: &str = "\
Examples:
  rckey list
  rckey read dome
  rckey write dome SHUTTER=open AZ=12.5 --timeout 1m
  rckey watch dome AZ SHUTTER
  az=$(rckey read dome AZ --raw)

A URL has the form redis://user:password@host:6379/0, the same with rediss for TLS, or
unix:///path/to/socket. Set it in the variable REDIS_URL to keep its password out of the list of
processes. An empty variable counts as unset.

With --sentinel the user and password in the URL are those of the Sentinel. Those of the master are
in the variables REDIS_MASTER_USER and REDIS_MASTER_PASSWORD.

rediss URLs, --ca, --cert and --key need a program that was built with the feature tls. Without
--ca, the variable SSL_CERT_FILE may name a file of root certificates in place of the system's.

Times are written like 250ms, 30s, 5m, 2h or 1d; a plain number means seconds.

Names are not case-sensitive and have no wildcards. In A=B=1, the name is the shortest one that a
keyword has: A or A=B. In A\\=B=1, it is A=B. Write an enumerated value as its name or its number,
and a mask as a number or as the names of its bits, separated by commas.

Keywords do not work on a cluster. A dispatcher that was killed counts as serving until its lease
ends (10 seconds by default), though a write to it fails at once; the heartbeat in the list is the
last renewal of the lease.

Exit codes: 0 success; 1 failed, refused or not served; 2 wrong arguments, URL or kind of server.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_anything_in_it() {
        for (text, expected) in [
            ("AZ=1", &[("AZ", "1")][..]),
            ("A B*=", &[("A B*", "")]),
            ("A=b=c", &[("A", "b=c"), ("A=b", "c")]),
            (r"A\=B=1", &[("A=B", "1")]),
            (r"A=C:\=1", &[("A", r"C:\=1")]),
            ("==1", &[("=", "1")]),
            ("=1", &[]),
            ("AZ", &[]),
            (r"A\=1", &[]),
        ] {
            let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
            let expected: Vec<_> = expected.iter().map(owned).collect();
            let found = assignment(text).map(|found| found.0).unwrap_or_default();
            assert_eq!(found, expected, "{text}");
        }
    }
}
