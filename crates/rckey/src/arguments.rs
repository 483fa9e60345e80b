//! The arguments of the program.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

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
    /// Show what services there are, or what keywords a service has
    List {
        /// The service
        service: Option<String>,
    },
    /// Show what keywords are: types, units, ranges, access, names of values
    Show(Keywords),
    /// Show the values of keywords, whether anybody serves them or not
    Read {
        #[command(flatten)]
        keywords: Keywords,
        /// Print only the values, as they lie in Redis
        #[arg(short, long, conflicts_with = "json")]
        raw: bool,
    },
    /// Have values set, and say what became of each
    Write {
        /// The service
        service: String,
        /// Keywords and their new values; `\=` belongs to a name
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        values: Vec<Assignment>,
        /// For how long to wait for the service
        #[arg(short, long, value_name = "TIME", value_parser = time, default_value = "10s")]
        timeout: Duration,
        /// Do not wait for the outcome, only check that a dispatcher serves
        #[arg(short, long, conflicts_with = "timeout")]
        no_wait: bool,
        /// Have done what is done about a new value also where a keyword has the value already
        #[arg(short, long, conflicts_with = "no_wait")]
        force: bool,
    },
    /// Show values as they change, in a table or in lines, until Ctrl-C
    Watch(Keywords),
}

#[derive(Args)]
pub(crate) struct Keywords {
    /// The service
    pub(crate) service: String,
    /// Some of its keywords; all if none are named
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
    match readings.is_empty() {
        false => Ok(Assignment(readings)),
        true => Err("a value is written like NAME=VALUE".into()),
    }
}

const EXAMPLES_AND_CONVENTIONS: &str = "\
Examples:
  rckey list
  rckey read dome
  rckey write dome SHUTTER=open AZ=12.5 --timeout 1m
  rckey watch dome AZ SHUTTER
  az=$(rckey read dome AZ --raw)

A URL is redis://user:password@host:6379/0 or unix:///path/to/socket; from the variable REDIS_URL its
password is not seen in the list of processes.

Times are written like 250ms, 30s, 5m, 2h or 1d; a number alone means seconds.

Names are taken in any case, and have no wildcards. Of A=B=1 the first part is the name that is a keyword's; in
A\\=B=1 it is A=B. An enumerated value is written by its name or number, the bits of a mask by their names with
commas between them or as a number.

Exit codes: 0 done; 1 failed, refused or not served; 2 wrong usage, nothing was sent.";

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
