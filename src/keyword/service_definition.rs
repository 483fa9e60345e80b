use std::collections::HashSet;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;
use std::{fmt, fs};

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::definition::Keyword;
use super::description::{Access, Description};
use super::kind::Kind;
use super::names::{KeywordName, ServiceName};
use super::value::Value;
use crate::client::{Client, RoundTrips};
use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// A service definition read from a file, in TOML or JSON.
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
///     always_write = true        # also the value that it has
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
    /// Reads a definition in TOML. Unknown or invalid entries are an [`Error::Configuration`],
    /// which says where they are.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map(Self::made).map_err(|error| not_understood(&error))
    }

    /// Reads a definition in JSON: the names are the same, and `keyword` is an array.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map(Self::made).map_err(|error| not_understood(&error))
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
            _ => return Err(problem(&"a service definition is a .toml or .json file")),
        };
        definition.map_err(|error| match error {
            Error::Configuration(why) => problem(&why),
            error => error,
        })
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the descriptions of its keywords.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.keywords.iter().map(|keyword| &keyword.description)
    }

    /// Adds to a keyword the part that files cannot express: its functions.
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

    fn made(file: Service<E>) -> Self {
        Self { service: file.service, keywords: file.keyword.0 }
    }
}

fn not_understood(error: &dyn std::fmt::Display) -> Error {
    Error::Configuration(format!("invalid service definition: {error}"))
}

/// A file as it is parsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "E: RoundTrips")]
struct Service<E> {
    #[serde(deserialize_with = "service")]
    service: String,
    #[serde(default)]
    keyword: Keywords<E>,
}

/// The keywords of a file, whose names are unique.
struct Keywords<E>(Vec<Keyword<E>>);

impl<E> Default for Keywords<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, E: RoundTrips> Deserialize<'de> for Keywords<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(Collect(PhantomData))
    }
}

/// Reads the array of keywords.
struct Collect<E>(PhantomData<E>);

/// Fails while reading an entry, so that both formats add its position.
impl<'de, E: RoundTrips> Visitor<'de> for Collect<E> {
    type Value = Keywords<E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keywords")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut entries: A,
    ) -> std::result::Result<Keywords<E>, A::Error> {
        let (mut names, mut keywords) = (HashSet::new(), Vec::new());
        while let Some(keyword) = entries.next_element_seed(Next(&mut names, PhantomData))? {
            keywords.push(keyword);
        }
        Ok(Keywords(keywords))
    }
}

/// Reads the next keyword, whose name must be none of these.
struct Next<'a, E>(&'a mut HashSet<String>, PhantomData<E>);

impl<'de, E: RoundTrips> DeserializeSeed<'de> for Next<'_, E> {
    type Value = Keyword<E>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Keyword<E>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, E: RoundTrips> Visitor<'de> for Next<'_, E> {
    type Value = Keyword<E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a keyword")
    }

    fn visit_map<A: MapAccess<'de>>(self, entry: A) -> std::result::Result<Keyword<E>, A::Error> {
        let entry = Entry::deserialize(MapAccessDeserializer::new(entry))?;
        let keyword = entry.into_keyword().map_err(A::Error::custom)?;
        if self.0.insert(keyword.description.name.clone()) {
            Ok(keyword)
        } else {
            Err(A::Error::custom(format!("there are two keywords {}", keyword.name())))
        }
    }
}

/// A keyword in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "keyword")]
    name: KeywordName,
    #[serde(rename = "type", deserialize_with = "kind")]
    kind: Kind,
    units: Option<String>,
    #[serde(default, deserialize_with = "range")]
    range: Option<[f64; 2]>,
    #[serde(default)]
    access: Access,
    #[serde(default)]
    labels: Vec<String>,
    help: Option<String>,
    initial: Option<Initial>,
    history: Option<usize>,
    #[serde(default, deserialize_with = "every")]
    every: Option<Duration>,
    #[serde(default)]
    always_write: bool,
}

/// An initial value in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Initial {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

fn service<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    ServiceName::new(&name).map_err(D::Error::custom)?;
    Ok(name)
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Kind, D::Error> {
    let name = String::deserialize(deserializer)?;
    let kind = Kind::named(name.as_bytes());
    if kind.as_str() == name {
        Ok(kind)
    } else {
        Err(D::Error::custom(format!("{name:?} is not a keyword type")))
    }
}

fn range<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<[f64; 2]>, D::Error> {
    match Vec::<f64>::deserialize(deserializer)?[..] {
        [least, greatest] if least <= greatest => Ok(Some([least, greatest])),
        [_, _] => Err(D::Error::custom("the minimum is greater than the maximum")),
        _ => Err(D::Error::custom("a range has two numbers, a minimum and a maximum")),
    }
}

fn keyword<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<KeywordName, D::Error> {
    KeywordName::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn every<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    let every = Duration::try_from_secs_f64(f64::deserialize(deserializer)?).ok();
    match every.filter(|every| !every.is_zero()) {
        Some(every) => Ok(Some(every)),
        None => Err(D::Error::custom("`every` is not a positive number of seconds")),
    }
}

impl Entry {
    /// Returns the keyword that it defines, or the reason why it is invalid.
    fn into_keyword<E: RoundTrips>(self) -> std::result::Result<Keyword<E>, String> {
        let mut keyword = Keyword::new(self.name.as_str(), self.kind);
        let description = &mut keyword.description;
        (description.units, description.help) = (self.units, self.help);
        (description.range, description.access) = (self.range, self.access);
        description.labels = self.labels;
        keyword.initial = self.initial.map(Value::from);
        keyword.every = self.every;
        keyword.history = self.history.unwrap_or(keyword.history);
        keyword.is_always_written = self.always_write;
        keyword.check_definition()?;
        if let Some(initial) = &mut keyword.initial {
            let value = keyword.description.parse(&initial.to_string());
            *initial = value.map_err(|why| format!("{}: {why}", self.name))?;
        }
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
