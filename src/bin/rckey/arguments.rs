//! What the program is told.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::common::options::{Options, time};

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
        /// Keywords and their new values
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        values: Vec<(String, String)>,
        /// For how long to wait for the service
        #[arg(short, long, value_name = "TIME", value_parser = time, default_value = "10s")]
        timeout: Duration,
        /// Do not wait, only make sure that somebody is there
        #[arg(short, long, conflicts_with = "timeout")]
        no_wait: bool,
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

fn assignment(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("a value is written like NAME=VALUE")?;
    Ok((name.into(), value.into()))
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

Names are taken in any case, and have no wildcards. An enumerated value is written by its name or number,
the bits of a mask by their names with commas between them or as a number.

Exit codes: 0 done; 1 failed, refused or not served; 2 wrong usage, nothing was sent.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_value_may_have_anything_in_it() {
        for (text, expected) in [
            ("AZ=1", Some(("AZ", "1"))),
            ("A B*=", Some(("A B*", ""))),
            ("A=b=c", Some(("A", "b=c"))),
            ("=1", None),
            ("AZ", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(assignment(text).ok(), expected, "{text}");
        }
    }
}
