use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::definition::Keyword;
use super::description::{Access, Description};
use super::kind::Kind;
use super::names::KeywordName;
use super::value::Value;
use crate::error::{Error, Result};
use crate::executor::{Client, RoundTrips};

/// A service as a file describes it, in TOML or JSON.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::keyword::{Dispatcher, ServiceDefinition};
///
/// let mut dome: ServiceDefinition = ServiceDefinition::from_toml(
///     r#"
///     service = "dome"
///
///     [[keyword]]
///     name = "AZ"
///     type = "double"            # basic string integer boolean double float enumerated mask
///     units = "deg"
///     range = [0, 360]
///     initial = 12.5
///     help = "where the opening points"
///
///     [[keyword]]
///     name = "SHUTTER"
///     type = "enumerated"
///     labels = ["closed", "open"]
///     access = "read-only"       # read-write write-only
///     every = 0.5                # seconds
///     history = 100
///     "#,
/// )?;
/// dome.amend("SHUTTER", |shutter| shutter.on_read(|| Ok::<_, String>("open")))?;
/// let dispatcher = Dispatcher::define(dome).serve(&client)?;
/// assert_eq!(dispatcher.get("AZ")?, Some(12.5.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a definition does nothing before a dispatcher is made of it"]
pub struct ServiceDefinition<E = Client> {
    pub(super) service: String,
    pub(super) keywords: Vec<Keyword<E>>,
}

impl<E: RoundTrips> ServiceDefinition<E> {
    /// Reads a definition in TOML. What is unknown or makes no sense is an
    /// [`Error::Configuration`], which says where it is.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::check(toml::from_str(text).map_err(|error| not_understood(&error)))
    }

    /// Reads a definition in JSON: the same names, and `keyword` is an array.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::check(serde_json::from_str(text).map_err(|error| not_understood(&error)))
    }

    /// Reads a file whose name ends in `.toml` or `.json`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let problem = |why: &dyn std::fmt::Display| {
            Error::Configuration(format!("{}: {why}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| problem(&error))?;
        let definition = match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml") => Self::from_toml(&text),
            Some("json") => Self::from_json(&text),
            _ => return Err(problem(&"a service is described in a .toml or .json file")),
        };
        definition.map_err(|error| match error {
            Error::Configuration(why) => problem(&why),
            error => error,
        })
    }

    /// What the service is called.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What its keywords are.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.keywords.iter().map(|keyword| &keyword.description)
    }

    /// Adds to a keyword what no file can say: its functions.
    pub fn amend(
        &mut self,
        name: &str,
        amend: impl FnOnce(Keyword<E>) -> Keyword<E>,
    ) -> Result<()> {
        let wanted = KeywordName::new(name).map_err(Error::Configuration)?;
        let is_it = |keyword: &Keyword<E>| keyword.description.name == wanted.as_str();
        let Some(position) = self.keywords.iter().position(is_it) else {
            return Err(Error::Configuration(format!("{} has no keyword {wanted}", self.service)));
        };
        let keyword = self.keywords.swap_remove(position);
        self.keywords.push(amend(keyword));
        let last = self.keywords.len() - 1;
        self.keywords.swap(position, last);
        Ok(())
    }

    fn check(entries: Result<Service>) -> Result<Self> {
        let Service { service, keyword } = entries?;
        let keywords = keyword.into_iter().map(Entry::into_keyword).collect::<Result<_>>()?;
        Ok(Self { service, keywords })
    }
}

fn not_understood(error: &dyn std::fmt::Display) -> Error {
    Error::Configuration(format!("not the description of a service: {error}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    service: String,
    #[serde(default)]
    keyword: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    units: Option<String>,
    range: Option<[f64; 2]>,
    #[serde(default)]
    access: Access,
    #[serde(default)]
    labels: Vec<String>,
    help: Option<String>,
    initial: Option<Initial>,
    history: Option<usize>,
    every: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Initial {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Entry {
    fn into_keyword<E: RoundTrips>(self) -> Result<Keyword<E>> {
        let problem = |why: &str| Error::Configuration(format!("{}: {why}", self.name));
        let kind = Kind::named(self.kind.as_bytes());
        if kind.as_str() != self.kind {
            return Err(problem(&format!("{:?} is not a type", self.kind)));
        }
        let mut keyword = Keyword::new(&self.name, kind);
        let description = &mut keyword.description;
        (description.units, description.help) = (self.units, self.help);
        (description.range, description.access) = (self.range, self.access);
        description.labels = self.labels;
        let name = description.check().map_err(Error::Configuration)?;
        description.name = name.as_str().to_owned();
        if let Some(initial) = self.initial {
            let value = Value::from(initial).to_string();
            keyword.initial = Some(description.parse(&value).map_err(|why| problem(&why))?);
        }
        if let Some(seconds) = self.every {
            let every = Duration::try_from_secs_f64(seconds).ok().filter(|every| !every.is_zero());
            keyword.every = Some(every.ok_or_else(|| problem("`every` is no time"))?);
        }
        keyword.history = self.history.unwrap_or(keyword.history);
        Ok(keyword)
    }
}

impl From<Initial> for Value {
    fn from(initial: Initial) -> Self {
        match initial {
            Initial::Boolean(boolean) => boolean.into(),
            Initial::Integer(integer) => integer.into(),
            Initial::Number(number) => number.into(),
            Initial::Text(text) => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<ServiceDefinition> {
        ServiceDefinition::from_toml(toml)
    }

    #[test]
    fn both_formats_say_the_same() {
        let toml = r#"
            service = "Dome"
            [[keyword]]
            name = "az"
            type = "double"
            units = "deg"
            range = [0, 360]
            initial = 12
            [[keyword]]
            name = "SHUTTER"
            type = "enumerated"
            labels = ["closed", "open"]
            initial = "open"
            access = "read-only"
            every = 0.5
            history = 3
        "#;
        let json = r#"{"service": "Dome", "keyword": [
            {"name": "az", "type": "double", "units": "deg", "range": [0, 360], "initial": 12},
            {"name": "SHUTTER", "type": "enumerated", "labels": ["closed", "open"],
             "initial": "open", "access": "read-only", "every": 0.5, "history": 3}
        ]}"#;
        let [toml, json] = [read(toml), ServiceDefinition::from_json(json)].map(Result::unwrap);
        assert_eq!(format!("{toml:?}"), format!("{json:?}"));
        assert!(toml.descriptions().eq(json.descriptions()));
        let [azimuth, shutter] = &toml.keywords[..] else { panic!("two keywords") };
        assert_eq!((toml.service(), &azimuth.description.name[..]), ("Dome", "AZ"));
        assert_eq!((&azimuth.initial, azimuth.history), (&Some(12.0.into()), 16));
        assert_eq!((&shutter.initial, shutter.history), (&Some(1.into()), 3));
        assert_eq!(shutter.every, Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (toml, named) in [
            ("service = 'a'\nspeed = 1", "speed"),
            ("service = 'a'\n[[keyword]]\nname = 'A'", "type"),
            ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'doubel'", "doubel"),
            ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nunit = 'm'", "unit"),
            ("service = 'a'\n[[keyword]]\nname = 'A.B'\ntype = 'double'", "'.'"),
            ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\ninitial = 'x'", "\"x\""),
            ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nevery = -1", "every"),
            ("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'double'\nevery = nan", "every"),
        ] {
            let error = read(toml).unwrap_err().to_string();
            assert!(error.contains(named), "{toml}: {error}");
        }
        assert!(matches!(ServiceDefinition::<Client>::load("a.xml"), Err(Error::Configuration(_))));
    }

    #[test]
    fn only_a_keyword_that_is_there_is_amended() {
        let mut definition =
            read("service = 'a'\n[[keyword]]\nname = 'A'\ntype = 'string'").unwrap();
        definition.amend("a", |keyword| keyword.history(2)).unwrap();
        assert_eq!(definition.keywords[0].history, 2);
        assert!(definition.amend("B", |keyword| keyword).is_err());
    }
}
