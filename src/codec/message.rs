//! Serde's error messages without the values that they repeat.

/// Reduces serde's `message` to parts that cannot contain a value: the kind that was found, the
/// expectation, and the names of the type's own fields.
pub(super) fn without_values(message: &str) -> String {
    let (message, place) = split_place(message);
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let starts = |prefix| message.strip_prefix(prefix);
    let reduced = if let Some(found) = starts("invalid type: ") {
        expected.map(|expected| {
            format!("{} where {expected} is expected{}", kind(found), advice(found, expected))
        })
    } else if let Some(found) = starts("invalid value: ") {
        expected.map(|expected| format!("{} that is not {expected}", kind(found)))
    } else if message.starts_with("unknown variant ") {
        expected.map(|expected| format!("an unknown variant where {expected} is expected"))
    } else if message.starts_with("unknown field ") {
        expected.map(|expected| format!("an unknown field where {expected} is expected"))
    } else if ["missing field `", "duplicate field `"].iter().any(|own| message.starts_with(own))
        || message.strip_prefix("invalid length ").is_some_and(|rest| rest.starts_with(is_digit))
    {
        Some(message.to_owned())
    } else {
        None
    };
    let reduced = reduced.unwrap_or_else(|| "the type refuses the value".to_owned());
    match place {
        Some(place) => format!("{reduced}, at {place}"),
        None => reduced,
    }
}

/// Splits off the `line 1 column 2` at the end of a JSON message.
fn split_place(message: &str) -> (&str, Option<&str>) {
    match message.rsplit_once(" at ") {
        Some((before, place)) if is_place(place) => (before, Some(place)),
        _ => (message, None),
    }
}

fn is_place(place: &str) -> bool {
    let words: Vec<&str> = place.split(' ').collect();
    let number = |word: &str| !word.is_empty() && word.chars().all(is_digit);
    matches!(words[..], ["line", line, "column", column] if number(line) && number(column))
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// Returns a hint for a type that reads bytes as numbers.
fn advice(found: &str, expected: &str) -> &'static str {
    let is_sequence =
        ["a sequence", "an array", "a tuple"].iter().any(|it| expected.starts_with(it));
    if is_sequence && found.starts_with("byte array") {
        "; to serde a `Vec<u8>` is a list of numbers, use serde_bytes for it"
    } else {
        ""
    }
}

/// Returns the kind of an unexpected value, which serde writes before the value itself.
fn kind(found: &str) -> &'static str {
    const KINDS: [(&str, &str); 16] = [
        ("boolean", "a boolean"),
        ("integer", "an integer"),
        ("floating point", "a floating-point number"),
        ("character", "a character"),
        ("string", "a string"),
        ("byte array", "bytes"),
        ("unit value", "nothing"),
        ("null", "null"),
        ("Option value", "an option"),
        ("newtype struct", "a newtype"),
        ("sequence", "a sequence"),
        ("map", "a map"),
        ("enum", "an enum"),
        ("unit variant", "a variant"),
        ("newtype variant", "a variant"),
        ("tuple variant", "a variant"),
    ];
    let known = KINDS.iter().find(|(start, _)| found.starts_with(start));
    known.map_or("something", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_in_a_message() {
        for (message, expected) in [
            (
                "invalid type: string \"s3cret\", expected u32 at line 1 column 8",
                "a string where u32 is expected, at line 1 column 8",
            ),
            (
                "invalid type: string \"x, expected s3cret\", expected u32",
                "a string where u32 is expected",
            ),
            (
                "invalid type: byte array, expected a sequence",
                "bytes where a sequence is expected; to serde a `Vec<u8>` is a list of numbers, use \
                 serde_bytes for it",
            ),
            ("invalid value: integer `700`, expected u8", "an integer that is not u8"),
            (
                "unknown variant `s3cret`, expected `a` or `b`",
                "an unknown variant where `a` or `b` is expected",
            ),
            (
                "unknown field `s3cret`, expected one of `a`, `b`",
                "an unknown field where one of `a`, `b` is expected",
            ),
            ("missing field `age`", "missing field `age`"),
            (
                "invalid length 3, expected a tuple of size 2",
                "invalid length 3, expected a tuple of size 2",
            ),
            ("invalid length s3cret", "the type refuses the value"),
            ("s3cret is not an address", "the type refuses the value"),
            ("s3cret at line 1 column x", "the type refuses the value"),
            ("", "the type refuses the value"),
        ] {
            assert_eq!(without_values(message), expected);
        }
    }
}
