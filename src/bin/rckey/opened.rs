//! A service that the program has opened.

use redis_collections::keyword::{Access, Client, Description, Service};
use redis_collections::{self as collections, Error};

use crate::common::failure::Failure;
use crate::common::options::Options;
use crate::common::shown;

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

    /// What all the keywords are, if there are any.
    pub(crate) fn all(&self) -> Result<Vec<Description>, Failure> {
        let all = self.service.keywords()?;
        match all.is_empty() {
            true => {
                let name = shown::text(self.name.as_bytes());
                Err(Failure::new(Failure::FAILED, format!("{name} has no keywords")))
            }
            false => Ok(all),
        }
    }

    /// What these keywords are, each by itself.
    pub(crate) fn each(&self, names: &[String]) -> Vec<Result<Description, Failure>> {
        let describe =
            |name: &String| self.service.describe(name).map_err(|error| failed(name, error));
        names.iter().map(describe).collect()
    }
}

pub(crate) fn client(options: &Options) -> Result<Client, Failure> {
    Ok(Client::new(&collections::Client::open(&options.url)?))
}

pub(crate) fn is_readable(description: &Description) -> bool {
    description.access != Access::WriteOnly
}

/// What went wrong with a keyword.
pub(crate) fn failed(name: &str, error: Error) -> Failure {
    let why = match &error {
        Error::Refused { reason, .. } => format!("refused: {}", shown::text(reason.as_bytes())),
        Error::UnknownKeyword { .. } => "there is no such keyword".into(),
        Error::NotServed { .. } => "no dispatcher serves it".into(),
        _ => return error.into(),
    };
    Failure::new(Failure::FAILED, format!("{}: {why}", name_of(name)))
}

/// A name as it is shown.
pub(crate) fn name_of(name: &str) -> String {
    shown::text(name.to_uppercase().as_bytes())
}

/// What came of several things. It is wrong usage only if nothing was done.
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
            Err(Failure::Told { code, messages: others }) => {
                messages.extend(others);
                code
            }
        });
    }
    match messages.is_empty() {
        false => Err(Failure::Told { code, messages }),
        true if is_read => Ok(()),
        true => Err(Failure::ClosedPipe),
    }
}
