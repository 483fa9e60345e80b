//! The keys and channels of a service: those of Cauldron's Redis backend, and some of this crate,
//! which Cauldron programs do not read.

use std::fmt;

use crate::keys::{side_key, side_key_of};

/// The name of a service, in lower case, and its database, as channels are shared by all databases.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServiceName {
    name: String,
    database: i64,
}

/// The name of a keyword, in upper case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeywordName(String);

impl ServiceName {
    /// Converts a name in any case, or returns the reason why it is invalid.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let name = name.to_lowercase();
        check("a service", &name, &[':'])?;
        Ok(Self { name, database: 0 })
    }

    /// Returns the service of the same name in another database than 0.
    pub(crate) fn in_database(self, database: i64) -> Self {
        Self { database, ..self }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// The key of a keyword's value, and the channel of Cauldron requests.
    pub(crate) fn value(&self, keyword: &KeywordName) -> Vec<u8> {
        format!("{PREFIX}.{self}.{keyword}").into_bytes()
    }

    pub(crate) fn status(&self, keyword: &KeywordName) -> Vec<u8> {
        format!("{PREFIX}.{self}.{keyword}:status").into_bytes()
    }

    pub(crate) fn kind(&self, keyword: &KeywordName) -> Vec<u8> {
        format!("{PREFIX}.{self}.{keyword}:type").into_bytes()
    }

    pub(crate) fn error(&self, keyword: &KeywordName) -> Vec<u8> {
        format!("{PREFIX}.{self}.{keyword}:error").into_bytes()
    }

    /// The start of the keys of all values.
    pub(crate) fn values(&self) -> Vec<u8> {
        format!("{PREFIX}.{self}.").into_bytes()
    }

    /// Returns the keyword whose value has this key, if it belongs to this service.
    pub(crate) fn keyword(&self, key: &[u8]) -> Option<KeywordName> {
        let name = key.strip_prefix(&self.values()[..])?;
        let name = KeywordName::new(std::str::from_utf8(name).ok()?).ok()?;
        (self.value(&name) == key).then_some(name)
    }

    /// The key of the dispatcher's lease.
    pub(crate) fn lease(&self) -> Vec<u8> {
        side_key(&self.base(), "lease")
    }

    /// The key that names the dispatcher that accepts no more requests, until it gives the name
    /// back.
    pub(crate) fn closing(&self) -> Vec<u8> {
        side_key(&self.base(), "closing")
    }

    /// The hash of the keywords' descriptions, as JSON.
    pub(crate) fn descriptions(&self) -> Vec<u8> {
        side_key(&self.base(), "keywords")
    }

    /// The hash of the times at which the keywords were set, in microseconds of the server's clock.
    pub(crate) fn times(&self) -> Vec<u8> {
        side_key(&self.base(), "times")
    }

    /// The field of that hash for the time of a keyword's last change of any kind.
    pub(crate) fn status_field(&self, keyword: &KeywordName) -> String {
        format!("{keyword}:status")
    }

    /// The channel of requests to the dispatcher with this id, which no other one has in any
    /// database.
    pub(crate) fn requests(&self, id: &str) -> Vec<u8> {
        side_key_of(&self.base(), "request", id.as_bytes())
    }

    /// The channel of a keyword's change events.
    pub(crate) fn changes(&self, keyword: &KeywordName) -> Vec<u8> {
        [&self.all_changes(), keyword.as_str().as_bytes()].concat()
    }

    /// The channel on which dispatchers announce that they start and end. The names of the change
    /// channels begin with it.
    pub(crate) fn all_changes(&self) -> Vec<u8> {
        match self.database {
            0 => side_key_of(&self.base(), "changed", b""),
            database => side_key_of(&self.base(), &format!("changed@{database}"), b""),
        }
    }

    /// The name to which those of this crate's keys and channels are added.
    pub(crate) fn base(&self) -> Vec<u8> {
        format!("{PREFIX}.{self}").into_bytes()
    }

    /// The list for the outcome of a request.
    pub(crate) fn outcome(&self, request: &str) -> Vec<u8> {
        side_key_of(&self.base(), "outcome", request.as_bytes())
    }
}

impl KeywordName {
    /// Converts a name in any case, or returns the reason why it is invalid.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let name = name.to_uppercase();
        check("a keyword", &name, &[':', '.'])?;
        Ok(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The set of the names of all services.
pub(crate) const REGISTRY: &str = "Cauldron.redis.common.SERVICES_REGISTRY";

const PREFIX: &str = "Cauldron.redis.common";

const LONGEST: usize = 256;

/// Rejects a name that is empty, too long, or has control or reserved characters.
fn check(what: &str, name: &str, reserved: &[char]) -> Result<(), String> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(format!("the name of {what} has 1 to {LONGEST} bytes"));
    }
    match name.chars().find(|letter| letter.is_control() || reserved.contains(letter)) {
        Some(letter) => Err(format!("the name of {what} cannot contain {letter:?}")),
        None => Ok(()),
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)
    }
}

impl fmt::Display for KeywordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeywordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Returns all keys that a service of this name can have besides those of Cauldron.
#[cfg(test)]
pub(crate) fn keys_of(name: &[u8], requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let name = std::str::from_utf8(name).ok().and_then(|name| ServiceName::new(name).ok());
    let Some(name) = name else { return Vec::new() };
    let requests = requests.iter().filter_map(|id| std::str::from_utf8(id).ok());
    let last = side_key(&name.base(), "last");
    let keys = [name.lease(), name.closing(), name.descriptions(), name.times(), last].into_iter();
    keys.chain(requests.map(|id| name.outcome(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_case_of_cauldron() {
        let service = ServiceName::new("Dome.West").unwrap();
        let keyword = KeywordName::new("az [1]*").unwrap();
        let key = b"Cauldron.redis.common.dome.west.AZ [1]*";
        assert_eq!(service.value(&keyword), key);
        assert_eq!(service.keyword(key), Some(keyword));
    }

    #[test]
    fn channels_of_our_own_are_those_of_one_database() {
        let service = ServiceName::new("dome").unwrap();
        let keyword = KeywordName::new("AZ").unwrap();
        let other = service.clone().in_database(3);
        assert_eq!(service.changes(&keyword), b"Cauldron.redis.common.dome~rc:changed:AZ");
        assert_eq!(other.changes(&keyword), b"Cauldron.redis.common.dome~rc:changed@3:AZ");
        assert_eq!(
            (other.lease(), other.value(&keyword)),
            (service.lease(), service.value(&keyword))
        );
    }

    #[test]
    fn helper_keys_and_other_services_are_no_keywords() {
        let service = ServiceName::new("dome").unwrap();
        for key in ["AZ:status", "west.AZ", "", "az", "A\nB"] {
            let key = [&service.values()[..], key.as_bytes()].concat();
            assert_eq!(service.keyword(&key), None);
        }
        assert_eq!(service.keyword(b"Cauldron.redis.common.mount.AZ"), None);
    }

    #[test]
    fn a_name_that_would_form_another_key_is_rejected() {
        let longer_in_upper_case = "ŉ".repeat(LONGEST / "ŉ".len());
        for name in ["", "a:b", "a.b", "a\nb", "a\0", &"x".repeat(257), &longer_in_upper_case] {
            assert!(KeywordName::new(name).is_err(), "{name:?}");
        }
        for name in ["", "a:b", "a\rb"] {
            assert!(ServiceName::new(name).is_err(), "{name:?}");
        }
        assert!(ServiceName::new("a.b").is_ok());
    }
}
