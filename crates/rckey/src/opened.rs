//! A service that the program has opened.

use redis_collections::Error;
use redis_collections::keyword::{Access, Client, Description, KeywordError, Service};

use crate::arguments::Assignment;
use redis_collections_cli::connect::Connected;
use redis_collections_cli::failure::{Failure, attempted};
use redis_collections_cli::options::Options;
use redis_collections_cli::shown;

/// A service, with its name and the format of the output.
pub(crate) struct Opened {
    pub(crate) service: Service,
    pub(crate) name: String,
    pub(crate) json: bool,
}

impl Opened {
    pub(crate) fn new(options: &Options, name: &str) -> Result<Self, Failure> {
        let (service, name) = (client(options)?.service(name), name.to_lowercase());
        Ok(Self { service, name, json: options.json })
    }

    /// Returns the descriptions of all keywords, if there are any.
    pub(crate) fn all(&self) -> Result<Vec<Description>, Failure> {
        let all = self.service.keywords()?;
        if all.is_empty() {
            let name = shown::text(self.name.as_bytes());
            Err(Failure::new(Failure::FAILED, format!("{name} has no keywords")))
        } else {
            Ok(all)
        }
    }

    /// Returns the keywords and values to write. Of several readings of an assignment, the one with
    /// the shortest name of an existing keyword is chosen.
    pub(crate) fn chosen(&self, values: &[Assignment]) -> Vec<(String, String)> {
        // A keyword that cannot be looked up is not written either, and the write reports why.
        let is_there =
            |(name, _): &&(String, String)| matches!(self.service.contains(name), Ok(true));
        let choose = |value: &Assignment| match value.readings() {
            [only] => only.clone(),
            several => several.iter().find(is_there).unwrap_or(&several[0]).clone(),
        };
        values.iter().map(choose).collect()
    }

    /// Returns the descriptions of these keywords, each with its own result.
    pub(crate) fn each(&self, names: &[String]) -> Vec<Result<Description, Failure>> {
        let describe =
            |name: &String| self.service.describe(name).map_err(|error| failed(name, error));
        names.iter().map(describe).collect()
    }
}

pub(crate) fn client(options: &Options) -> Result<Client, Failure> {
    match options.connect()? {
        Connected::Alone(client) => Ok(Client::new(&client)),
        Connected::Cluster(_) => {
            let problem = "the server is a node of a cluster, where keywords do not work";
            Err(Failure::usage(problem.into()))
        }
    }
}

pub(crate) fn is_readable(description: &Description) -> bool {
    description.access != Access::WriteOnly
}

/// Returns the failure of an operation on a keyword.
pub(crate) fn failed(name: &str, error: Error) -> Failure {
    let why = match error.keyword_error() {
        Some(KeywordError::Refused { reason, .. }) => {
            format!("refused: {}", shown::text(reason.as_bytes()))
        }
        Some(source @ (KeywordError::UnknownKeyword | KeywordError::NotServed)) => {
            source.to_string()
        }
        _ => {
            let attempt = attempted(&error);
            return match Failure::from(error) {
                Failure::Reported { code, messages } => {
                    let messages = messages.iter().map(|said| without(&attempt, name, said));
                    Failure::Reported { code, messages: messages.collect() }
                }
                failure => failure,
            };
        }
    };
    Failure::new(Failure::FAILED, format!("{}: {why}", name_of(name)))
}

/// Rewrites the message of an error of a keyword, with its name in place of its key.
pub(crate) fn about(name: &str, error: &Error, message: &str) -> String {
    without(&attempt_of(error), name, message)
}

fn attempt_of(error: &Error) -> String {
    error.attempt().map(ToString::to_string).unwrap_or_default()
}

fn without(attempt: &str, name: &str, message: &str) -> String {
    match message.strip_prefix(attempt).filter(|_| !attempt.is_empty()) {
        Some(rest) => format!("{}{rest}", name_of(name)),
        None => message.to_owned(),
    }
}

/// Formats a name for the terminal.
pub(crate) fn name_of(name: &str) -> String {
    shown::text(name.to_uppercase().as_bytes())
}

/// Combines the outcomes of several operations. The result is wrong usage only if nothing was done.
pub(crate) fn all_of(
    outcomes: impl IntoIterator<Item = Result<(), Failure>>,
) -> Result<(), Failure> {
    let (mut code, mut messages, mut is_read) = (Failure::USAGE, Vec::new(), true);
    for outcome in outcomes {
        code = code.min(match outcome {
            Ok(()) => Failure::FAILED,
            Err(Failure::ClosedPipe) => {
                is_read = false;
                Failure::FAILED
            }
            Err(Failure::Reported { code, messages: others }) => {
                // Standard output is full or gone for all of them.
                messages.extend(
                    others
                        .into_iter()
                        .filter(|other| !messages.contains(other))
                        .collect::<Vec<_>>(),
                );
                code
            }
        });
    }
    if !messages.is_empty() {
        Err(Failure::Reported { code, messages })
    } else if is_read {
        Ok(())
    } else {
        Err(Failure::ClosedPipe)
    }
}
