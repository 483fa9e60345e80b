use serde::{Deserialize, Serialize};

use super::kind::{Kind, MAX_BITS, named_bits};
use super::names::KeywordName;
use super::value::Value;

/// The description of a keyword: everything about it that does not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The name, in upper case.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The unit of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// The least and the greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Whether clients may read and write it.
    #[serde(default, skip_serializing_if = "Access::is_full")]
    pub access: Access,
    /// The names of the values 0, 1, 2 and so on of an enumerated keyword, or of the bits of a
    /// mask. None of them is the number of another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The description for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The operations that clients may use on a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading and writing.
    #[default]
    ReadWrite,
    /// Only reading.
    ReadOnly,
    /// Only writing: the keyword has no value.
    WriteOnly,
}

impl Access {
    fn is_full(&self) -> bool {
        *self == Self::ReadWrite
    }
}

impl Description {
    /// Creates the description of a keyword of which only name and type are known.
    pub(crate) fn new(name: impl Into<String>, kind: Kind) -> Self {
        let (units, range, access, labels, help) = Default::default();
        Self { name: name.into(), kind, units, range, access, labels, help }
    }

    /// Returns the name in its proper case, or the reason why the description is invalid.
    pub(crate) fn check(&self) -> Result<KeywordName, String> {
        let name = KeywordName::new(&self.name)?;
        let is_wrong = |problem: &str| Err(format!("{name}: {problem}"));
        match self.kind {
            _ if self.range.is_some_and(|[least, greatest]| (least..=greatest).is_empty()) => {
                is_wrong("the minimum is greater than the maximum")
            }
            Kind::Basic | Kind::String | Kind::Boolean | Kind::Enumerated | Kind::Mask
                if self.range.is_some() =>
            {
                is_wrong("only numbers have a range")
            }
            Kind::Enumerated if self.labels.is_empty() => is_wrong("it has no labels"),
            Kind::Mask if self.labels.is_empty() || self.labels.len() > MAX_BITS => {
                is_wrong("a mask has 1 to 31 bits")
            }
            Kind::Enumerated if has_repeated(self.labels.iter().map(|label| &label[..])) => {
                is_wrong("two values have the same name")
            }
            Kind::Mask if has_repeated(self.labels.iter().map(|label| label.trim())) => {
                is_wrong("two bits have the same name")
            }
            Kind::Mask if self.labels.iter().any(|label| self.is_made_of_others(label)) => {
                is_wrong("the name of a bit is also a list of other names")
            }
            Kind::Enumerated | Kind::Mask => match self.misleading() {
                Some(label) => is_wrong(&format!("{label:?} is also the number of another value")),
                None => Ok(name),
            },
            _ if !self.labels.is_empty() => {
                is_wrong("only enumerated keywords and masks have labels")
            }
            _ => Ok(name),
        }
    }

    /// Returns the value that `text` represents, or the reason why the keyword cannot have it.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = self.kind.parse(text, &self.labels)?;
        match (self.range, value.as_f64()) {
            (Some([least, greatest]), Some(number)) if !(least..=greatest).contains(&number) => {
                Err(format!("{value} is not between {least} and {greatest}"))
            }
            _ => Ok(value),
        }
    }

    /// Formats a value for users: the name of an enumerated value, the names of bits, a number with
    /// its unit.
    pub fn show(&self, value: &Value) -> String {
        match (self.kind, value) {
            (Kind::Enumerated, Value::Integer(index)) => {
                let label = usize::try_from(*index).ok().and_then(|index| self.labels.get(index));
                label.cloned().unwrap_or_else(|| value.to_string())
            }
            (Kind::Mask, Value::Integer(bits)) if !self.labels.is_empty() => {
                let is_set = |&(bit, _): &(usize, &String)| bits >> bit.min(63) & 1 == 1;
                let names =
                    self.labels.iter().enumerate().filter(is_set).map(|(_, name)| &name[..]);
                names.collect::<Vec<_>>().join(",")
            }
            (Kind::Boolean, Value::Boolean(boolean)) => boolean.to_string(),
            _ => match (&self.units, value) {
                (Some(units), Value::Integer(_) | Value::Number(_)) => format!("{value} {units}"),
                _ => value.to_string(),
            },
        }
    }

    /// Returns whether this name is a combination of the names of other bits.
    fn is_made_of_others(&self, label: &str) -> bool {
        let others = self.labels.iter().filter(|other| *other != label).cloned();
        let others: Vec<_> = others.collect();
        label.contains(',') && named_bits(label, &others).is_some()
    }

    /// Returns a label that is a number, but not that of its own value.
    fn misleading(&self) -> Option<&String> {
        let is_misleading = |&(place, label): &(usize, &String)| {
            let number = if self.kind == Kind::Mask { 1 << place } else { place as i64 };
            label.parse::<i64>().is_ok_and(|it| it != number)
        };
        self.labels.iter().enumerate().find(is_misleading).map(|(_, label)| label)
    }
}

/// Returns whether two labels are equal without regard to case.
fn has_repeated<'a>(labels: impl Iterator<Item = &'a str>) -> bool {
    let mut names: Vec<_> = labels.map(str::to_ascii_lowercase).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(json: &str) -> Description {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let azimuth = description(r#"{"name": "AZ", "type": "double", "range": [0, 360]}"#);
        for (text, is_taken) in [("0", true), ("360", true), ("360.1", false), ("nan", false)] {
            assert_eq!(azimuth.parse(text).is_ok(), is_taken, "{text}");
        }
    }

    #[test]
    fn values_are_shown_in_words() {
        for (json, text, shown) in [
            (r#"{"name": "A", "type": "enumerated", "labels": ["closed", "open"]}"#, "1", "open"),
            (r#"{"name": "A", "type": "mask", "labels": ["hot", "wet", "old"]}"#, "5", "hot,old"),
            (r#"{"name": "A", "type": "double", "units": "deg"}"#, "1.5", "1.5 deg"),
            (r#"{"name": "A", "type": "boolean"}"#, "on", "true"),
            (r#"{"name": "A", "type": "string", "units": "deg"}"#, "", ""),
            (r#"{"name": "A", "type": "something new"}"#, "x", "x"),
        ] {
            let description = description(json);
            assert_eq!(description.show(&description.parse(text).unwrap()), shown, "{json}");
        }
    }

    #[test]
    fn every_name_and_every_number_of_a_value_stand_for_it() {
        for json in [
            r#"{"name": "A", "type": "enumerated", "labels": ["0", "1", "1.5", "open"]}"#,
            r#"{"name": "A", "type": "mask", "labels": ["1", "2", "4", "open"]}"#,
        ] {
            let known = description(json);
            assert!(known.check().is_ok(), "{json}");
            for (place, label) in known.labels.iter().enumerate() {
                let number = if known.kind == Kind::Mask { 1 << place } else { place as i64 };
                for text in [label, &number.to_string()] {
                    assert_eq!(known.parse(text), Ok(number.into()), "{text} {json}");
                }
            }
        }
    }

    #[test]
    fn an_invalid_description_is_rejected() {
        for json in [
            r#"{"name": "A.B", "type": "string"}"#,
            r#"{"name": "A", "type": "double", "range": [1, 0]}"#,
            r#"{"name": "A", "type": "string", "range": [0, 1]}"#,
            r#"{"name": "A", "type": "enumerated"}"#,
            r#"{"name": "A", "type": "enumerated", "labels": ["on", "ON"]}"#,
            r#"{"name": "A", "type": "enumerated", "labels": ["1", "2", "4"]}"#,
            r#"{"name": "A", "type": "enumerated", "labels": ["-1", "1"]}"#,
            r#"{"name": "A", "type": "mask", "labels": ["1", "2", "3"]}"#,
            r#"{"name": "A", "type": "mask", "labels": ["a", "b", "a, b"]}"#,
            r#"{"name": "A", "type": "mask", "labels": ["a", " a"]}"#,
            r#"{"name": "A", "type": "string", "labels": ["on"]}"#,
        ] {
            assert!(description(json).check().is_err(), "{json}");
        }
    }
}
