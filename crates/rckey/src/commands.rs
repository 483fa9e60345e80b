//! The commands of the program.

use std::io::{self, Write};
use std::time::Duration;

use redis_collections::Error;
use redis_collections::keyword::{Access, Description, KeywordError, Reading};
use serde_json::{Value, json};

use crate::arguments::{Arguments, Command};
use crate::opened::{Opened, about, all_of, client, failed, is_readable, name_of};
use crate::{reading, watch};
use redis_collections_cli::failure::Failure;
use redis_collections_cli::options::Options;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = &arguments.options;
    let open = |service: &str| Opened::new(options, service);
    match &arguments.command {
        Command::List { service: None } => list_services(options),
        Command::List { service: Some(service) } => open(service)?.list(),
        Command::Show(keywords) => open(&keywords.service)?.show(&keywords.names),
        Command::Read { keywords, raw } => open(&keywords.service)?.read(&keywords.names, *raw),
        Command::Write { service, values, no_wait, force, timeout } => {
            let opened = open(service)?;
            let values = opened.chosen(values);
            if *no_wait { opened.send(&values) } else { opened.write(&values, *timeout, *force) }
        }
        Command::Watch(keywords) => watch::watch(&open(&keywords.service)?, &keywords.names),
        Command::Document(document) => document.print::<Arguments>(),
    }
}

fn print_line(line: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

fn list_services(options: &Options) -> Result<(), Failure> {
    let services = client(options)?.services()?;
    let mut rows = vec![["SERVICE", "SERVED", "HEARTBEAT"].map(String::from)];
    for service in services {
        if options.json {
            print_object(&json!({
                "service": service.name,
                "served": service.is_served,
                "heartbeat_ms": service.heartbeat.map(reading::milliseconds),
            }))?;
        } else {
            rows.push([
                shown::text(service.name.as_bytes()),
                if service.is_served { "yes" } else { "no" }.into(),
                service.heartbeat.map_or("-".into(), shown::time),
            ]);
        }
    }
    if rows.len() > 1 {
        write!(io::stdout(), "{}", shown::table(&rows))?;
    }
    Ok(())
}

impl Opened {
    fn list(&self) -> Result<(), Failure> {
        for Description { name, kind, .. } in self.all()? {
            if self.json {
                print_object(&json!({ "service": self.name, "keyword": name, "type": kind }))?;
            } else {
                print_line(&shown::text(name.as_bytes()))?;
            }
        }
        Ok(())
    }

    fn show(&self, names: &[String]) -> Result<(), Failure> {
        let (descriptions, mut outcomes) = self.described(names)?;
        let heads = ["KEYWORD", "TYPE", "UNITS", "RANGE", "ACCESS", "VALUES", "HELP"];
        let mut rows = vec![heads.map(String::from)];
        for description in &descriptions {
            if self.json {
                outcomes.push(print_object(&self.object(description)));
            } else {
                rows.push(row(description));
            }
        }
        if rows.len() > 1 {
            outcomes.push(write!(io::stdout(), "{}", shown::table(&rows)).map_err(Failure::from));
        }
        all_of(outcomes)
    }

    fn read(&self, names: &[String], raw: bool) -> Result<(), Failure> {
        let (mut descriptions, mut outcomes) = self.described(names)?;
        descriptions.retain(|description| !names.is_empty() || is_readable(description));
        let readings = self.service.read_many(descriptions.iter().map(|known| &known.name))?;
        for (description, reading) in descriptions.iter().zip(readings) {
            outcomes.push(match reading {
                Ok(reading) if self.json => {
                    print_object(&reading::object(&self.name, &reading, Some(description)))
                }
                Ok(reading) if raw => print_line(&reading.text),
                Ok(reading) => print_line(&reading::line(&reading, Some(description))),
                Err(error) => Err(failed(&description.name, error)),
            });
        }
        all_of(outcomes)
    }

    fn write(
        &self,
        values: &[(String, String)],
        timeout: Duration,
        force: bool,
    ) -> Result<(), Failure> {
        let pairs = values.iter().map(|(name, value)| (name, value));
        let outcomes = if force {
            self.service.force_write_many(pairs, timeout)?
        } else {
            self.service.write_many(pairs, timeout)?
        };
        let outcomes = values.iter().zip(outcomes);
        all_of(outcomes.map(|((name, _), outcome)| match outcome {
            Ok(reading) => self.written(name, &reading),
            Err(error) => Err(self.not_written(name, error)),
        }))
    }

    /// Writes without waiting for the outcome.
    fn send(&self, values: &[(String, String)]) -> Result<(), Failure> {
        all_of(values.iter().map(|(name, value)| match self.service.write_nowait(name, value) {
            Ok(()) if self.json => print_object(&self.outcome(name, "sent")),
            Ok(()) => print_line(&format!("{} sent", name_of(name))),
            Err(error) => Err(self.not_written(name, error)),
        }))
    }

    fn written(&self, name: &str, reading: &Reading) -> Result<(), Failure> {
        // The value was set even if its description is unavailable now.
        let description = self.service.describe(name).ok();
        let description = description.as_ref();
        if self.json {
            let mut object = reading::object(&self.name, reading, description);
            object["outcome"] = json!("set");
            print_object(&object)
        } else {
            print_line(&reading::line(reading, description))
        }
    }

    fn not_written(&self, name: &str, error: Error) -> Failure {
        if self.json {
            let outcome = match &error {
                Error::Timeout { .. } => "timeout",
                error => match error.keyword_error() {
                    Some(KeywordError::Refused { .. }) => "refused",
                    Some(KeywordError::NotServed) => "not served",
                    Some(KeywordError::UnknownKeyword) => "unknown",
                    Some(KeywordError::Abandoned) => "abandoned",
                    _ => "failed",
                },
            };
            let mut object = self.outcome(name, outcome);
            object["error"] = match error.keyword_error() {
                Some(KeywordError::Refused { reason, .. }) => json!(reason),
                _ => json!(about(name, &error, &error.to_string())),
            };
            // If standard output is closed, standard error and the exit code remain.
            let _ = print_object(&object);
        }
        let is_not_served = matches!(error.keyword_error(), Some(KeywordError::NotServed));
        let heartbeat = if is_not_served { self.service.heartbeat() } else { Ok(None) };
        match heartbeat {
            Ok(Some(age)) => failed(name, error).with_hint(&format!(
                "the last heartbeat of one was {} ago, and it counts as serving until its lease \
                 ends, but it has died or lost its connection",
                shown::time(age)
            )),
            _ => failed(name, error),
        }
    }

    fn outcome(&self, name: &str, outcome: &str) -> Value {
        json!({ "service": self.name, "keyword": name.to_uppercase(), "outcome": outcome })
    }

    /// Returns the description of a keyword as JSON, of which `list` prints a part.
    fn object(&self, description: &Description) -> Value {
        let Description { name, kind, units, range, access, labels, help, .. } = description;
        json!({
            "service": self.name, "keyword": name, "type": kind, "units": units, "range": range,
            "access": access, "labels": labels, "help": help,
        })
    }

    /// Returns the descriptions of these keywords, or of all if `names` is empty, and the failures
    /// of the others.
    fn described(&self, names: &[String]) -> Result<(Vec<Description>, Outcomes), Failure> {
        if names.is_empty() {
            return Ok((self.all()?, Vec::new()));
        }
        let (mut found, mut outcomes) = (Vec::new(), Vec::new());
        for described in self.each(names) {
            match described {
                Ok(description) => found.push(description),
                Err(failure) => outcomes.push(Err(failure)),
            }
        }
        Ok((found, outcomes))
    }
}

/// The outcomes of the keywords that were handled one by one.
type Outcomes = Vec<Result<(), Failure>>;

/// Joins names with commas, quoted if any contains a comma itself.
fn listed(labels: &[String]) -> String {
    if labels.iter().any(|label| label.contains(',')) {
        labels.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(",")
    } else {
        labels.join(",")
    }
}

fn row(description: &Description) -> [String; 7] {
    let text = |text: &str| match text {
        "" => "-".to_owned(),
        text => shown::text(text.as_bytes()),
    };
    let range = description.range.map(|[least, greatest]| format!("{least} to {greatest}"));
    let access = match description.access {
        Access::ReadWrite => "read-write",
        Access::ReadOnly => "read-only",
        Access::WriteOnly => "write-only",
    };
    [
        text(&description.name),
        description.kind.as_str().to_owned(),
        text(description.units.as_deref().unwrap_or_default()),
        text(&range.unwrap_or_default()),
        access.to_owned(),
        text(&listed(&description.labels)),
        shown::text(description.help.as_deref().unwrap_or_default().as_bytes()),
    ]
}
