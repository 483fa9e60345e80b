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

/// Fails for all of them at once.
pub(crate) fn all_of(failures: Vec<Failure>) -> Result<(), Failure> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    Err(failures.fold(first, |one, other| match (one, other) {
        (Failure::Told { code, messages }, Failure::Told { code: other, messages: others }) => {
            let messages = messages.into_iter().chain(others).collect();
            Failure::Told { code: code.min(other), messages }
        }
        _ => Failure::ClosedPipe,
    }))
}
