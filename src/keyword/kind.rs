use serde::{Deserialize, Serialize};

use super::value::Value;

/// The type of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    String,
    /// A whole number from -2147483647 to 2147483646. The fraction of a number that is written to
    /// it is cut off, as in Cauldron.
    Integer,
    /// True or false.
    Boolean,
    /// A floating-point number.
    Double,
    /// A floating-point number.
    Float,
    /// One of several named values.
    Enumerated,
    /// Any number of several named bits.
    Mask,
    /// Any text. Unknown types are read as this one.
    #[default]
    #[serde(other)]
    Basic,
}

impl Kind {
    /// Returns the name of the type on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Double => "double",
            Self::Float => "float",
            Self::Enumerated => "enumerated",
            Self::Mask => "mask",
        }
    }

    /// Returns the type of this name on the wire.
    pub(crate) fn named(name: &[u8]) -> Self {
        ALL.into_iter().find(|kind| kind.as_str().as_bytes() == name).unwrap_or_default()
    }

    /// Returns the value that `text` represents, or the reason why it represents none. `labels` are
    /// the names of an enumerated keyword's values or of a mask's bits; empty if unknown.
    pub(crate) fn parse(self, text: &str, labels: &[String]) -> Result<Value, String> {
        match self {
            Self::Basic | Self::String => Ok(Value::Text(text.into())),
            Self::Boolean => boolean(text).map(Value::Boolean),
            Self::Double | Self::Float => number(text).map(Value::Number),
            Self::Integer => integer(text).map(Value::Integer),
            Self::Enumerated => enumerated(text, labels).map(Value::Integer),
            Self::Mask => mask(text, labels).map(Value::Integer),
        }
    }
}

const ALL: [Kind; 8] = [
    Kind::Basic,
    Kind::String,
    Kind::Integer,
    Kind::Boolean,
    Kind::Double,
    Kind::Float,
    Kind::Enumerated,
    Kind::Mask,
];

fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is not a boolean")),
    }
}

/// Rejects digits for a number beyond the greatest one; an infinity must be written as such.
fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|_| format!("{text:?} is not a number"))?;
    if number.is_infinite() && text.contains(|letter: char| letter.is_ascii_digit()) {
        Err(format!("{text:?} is too large"))
    } else {
        Ok(number)
    }
}

/// Cuts off a fraction. Like Cauldron, rejects the least and the greatest number of 32 bits.
fn integer(text: &str) -> Result<i64, String> {
    let number = number(text)?.trunc();
    let (least, greatest) = (i32::MIN + 1, i32::MAX - 1);
    if number >= f64::from(least) && number <= f64::from(greatest) {
        Ok(number as i64)
    } else {
        Err(format!("{text:?} is not a whole number from {least} to {greatest}"))
    }
}

/// Parses a label, or the number of a value.
fn enumerated(text: &str, labels: &[String]) -> Result<i64, String> {
    if let Some(position) = labels.iter().position(|label| label.eq_ignore_ascii_case(text)) {
        return Ok(position as i64);
    }
    let integer = integer(text).map_err(|_| none_of(text, labels))?;
    let is_known = |index: i64| usize::try_from(index).is_ok_and(|index| index < labels.len());
    if labels.is_empty() || is_known(integer) { Ok(integer) } else { Err(none_of(text, labels)) }
}

/// Parses the names of bits, separated by commas, or a number.
fn mask(text: &str, labels: &[String]) -> Result<i64, String> {
    let labels = &labels[..labels.len().min(MAX_BITS)];
    let bits = match (named_bits(text, labels), number(text)) {
        (Some(bits), _) => bits,
        (None, Ok(number)) if number.is_finite() => number as i64,
        (None, _) => {
            let is_unknown = |name: &&str| named_bits(name, labels).is_none();
            let unknown = text.split(',').map(str::trim).find(is_unknown);
            return Err(none_of(unknown.unwrap_or(text), labels));
        }
    };
    let most = if labels.is_empty() { MAX_BITS } else { labels.len() };
    if (0..1 << most).contains(&bits) {
        Ok(bits)
    } else {
        Err(format!("{text:?} has bits that have no name"))
    }
}

/// Returns the bits that `text` names. A name may contain commas and spaces; those around it are
/// ignored.
pub(crate) fn named_bits(text: &str, labels: &[String]) -> Option<i64> {
    let ends = text.match_indices(',').map(|(comma, _)| comma).chain([text.len()]);
    let ends: Vec<_> = ends.collect();
    let longest = labels.iter().map(|label| label.matches(',').count() + 1).max()?;
    // The bits named from a part between commas to the end, filled from the last part on.
    let mut named = vec![None; ends.len()];
    named.push(Some(0));
    for first in (0..ends.len()).rev() {
        let begin = first.checked_sub(1).map_or(0, |before| ends[before] + 1);
        named[first] = (first..ends.len()).take(longest).find_map(|last| {
            let name = text[begin..ends[last]].trim();
            let bit = labels.iter().position(|label| label.trim().eq_ignore_ascii_case(name))?;
            named[last + 1].map(|bits| bits | 1 << bit)
        });
    }
    named[0]
}

/// Formats the error for a text that is none of `labels`.
fn none_of(text: &str, labels: &[String]) -> String {
    if labels.is_empty() {
        return format!("{text:?} is not an integer");
    }
    if labels.iter().any(|label| label.contains(',')) {
        let labels: Vec<_> = labels.iter().map(|label| format!("{label:?}")).collect();
        return format!("{text:?} is none of {}", labels.join(", "));
    }
    format!("{text:?} is none of {}", labels.join(", "))
}

/// How many bits a mask can have.
pub(crate) const MAX_BITS: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_for_one_value_of_its_type() {
        let labels = ["closed", "open"].map(String::from);
        for (kind, text, value) in [
            (Kind::Basic, "a b", Some(Value::from("a b"))),
            (Kind::String, "", Some("".into())),
            (Kind::Integer, "7.9", Some(7.into())),
            (Kind::Integer, "-3.2", Some((-3).into())),
            (Kind::Integer, "2147483646", Some(2_147_483_646.into())),
            (Kind::Integer, "2147483647", None),
            (Kind::Integer, "-2147483648", None),
            (Kind::Integer, "abc", None),
            (Kind::Integer, "nan", None),
            (Kind::Boolean, "Yes", Some(true.into())),
            (Kind::Boolean, "OFF", Some(false.into())),
            (Kind::Boolean, "maybe", None),
            (Kind::Double, " 1e20", Some(1e20.into())),
            (Kind::Double, "x", None),
            (Kind::Double, "1e400", None),
            (Kind::Double, "-inf", Some(f64::NEG_INFINITY.into())),
            (Kind::Enumerated, "Open", Some(1.into())),
            (Kind::Enumerated, "0", Some(0.into())),
            (Kind::Enumerated, "2", None),
            (Kind::Enumerated, "-1", None),
            (Kind::Mask, "3", Some(3.into())),
            (Kind::Mask, "open, closed", Some(3.into())),
            (Kind::Mask, "open,,closed", None),
            (Kind::Mask, "", None),
            (Kind::Mask, "4", None),
            (Kind::Mask, "-1", None),
        ] {
            assert_eq!(kind.parse(text, &labels).ok(), value, "{kind:?} {text:?}");
        }
        assert_eq!(Kind::Enumerated.parse("12", &[]), Ok(12.into()));
        for text in ["2147483647", "-2147483648"] {
            let refused = Kind::Integer.parse(text, &[]).unwrap_err();
            assert!(refused.contains("from -2147483647 to 2147483646"), "{refused}");
        }
    }

    #[test]
    fn a_mask_is_limited_to_31_bits() {
        let labels: Vec<_> = (0..70).map(|bit| format!("b{bit}")).collect();
        let (all, greatest) = (&labels[..MAX_BITS], (1_i64 << MAX_BITS) - 1);
        for (text, labels, value) in [
            ("2147483647", all, Some(greatest)),
            ("2147483647", &[], Some(greatest)),
            (&all.join(","), all, Some(greatest)),
            (&all.join(","), &labels, Some(greatest)),
            ("2147483648", all, None),
            ("2147483648", &[], None),
            ("2147483648", &labels, None),
            ("1e300", &[], None),
            ("-1", &[], None),
            ("nan", &[], None),
            ("b31", &labels, None),
            ("b69", &labels, None),
        ] {
            assert_eq!(Kind::Mask.parse(text, labels).ok(), value.map(Value::from), "{text}");
        }
    }

    #[test]
    fn every_name_of_a_bit_can_be_chosen() {
        let labels = ["a", "1.0", "hot, dry", " very wet ", "dry", "2"].map(String::from);
        for (text, value) in [
            ("a", Some(1)),
            ("1.0", Some(2)),
            ("1", Some(1)),
            ("2", Some(32)),
            ("HOT, DRY", Some(4)),
            ("hot, dry,dry", Some(20)),
            ("dry,hot, dry , Very Wet", Some(28)),
            ("hot", None),
            ("hot,  dry", None),
            ("63", Some(63)),
        ] {
            assert_eq!(Kind::Mask.parse(text, &labels).ok(), value.map(Value::from), "{text}");
        }
        let unknown = Kind::Mask.parse("a,hot", &labels).unwrap_err();
        assert!(
            unknown.starts_with("\"hot\" is none of \"a\", \"1.0\", \"hot, dry\""),
            "{unknown}"
        );
    }

    #[test]
    fn values_are_written_as_python_writes_them() {
        for (value, text) in [
            (Value::from(3.0), "3.0"),
            (1e20.into(), "1e+20"),
            (0.1.into(), "0.1"),
            (true.into(), "1"),
            (false.into(), "0"),
            ((-7).into(), "-7"),
            ("a".into(), "a"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }
}
