use redis_collections::{Codec, CodecError, Json, MessagePack, Pickle, Upgrade, Versioned};
use serde::{Deserialize, Serialize};

use super::{text, undecodable};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    names: Vec<String>,
}

impl User {
    fn named<const N: usize>(names: [&str; N]) -> Self {
        Self { names: names.map(str::to_owned).to_vec() }
    }
}

/// Version 0 was plain text, versions 1 and 2 had a form that version 3 replaced.
impl Upgrade for User {
    type Format = Json<User>;
    const VERSION: u32 = 3;

    fn upgrade(version: u32, bytes: &[u8]) -> Result<User, CodecError> {
        match version {
            0 => Ok(User::named([&String::decode(bytes)?])),
            2 => Json::<[String; 2]>::decode(bytes).map(|names| User { names: names.into() }),
            _ => Err(CodecError::new(format!("version {version} is no longer supported"))),
        }
    }
}

#[test]
fn a_value_is_written_with_the_current_version() {
    let written = text::<Versioned<User>>(&User::named(["Ann"]));
    assert_eq!(written, r#"3:{"names":["Ann"]}"#);
}

#[test]
fn a_value_of_an_older_version_is_upgraded_when_it_is_read() {
    for (bytes, names) in [
        (&br#"3:{"names":["Ann"]}"#[..], &["Ann"][..]),
        (br#"2:["Ann","Lee"]"#, &["Ann", "Lee"]),
        (b"Ann", &["Ann"]),
        (b"Ann: 3", &["Ann: 3"]),
        (b"", &[""]),
    ] {
        let user = Versioned::<User>::decode(bytes).unwrap();
        assert_eq!(user.names, names, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_version_that_cannot_be_read_is_refused_by_its_number() {
    for (bytes, reason) in [
        ("1:Ann", "version 1 is no longer supported"),
        ("4:Ann", "version 4, which is newer than 3, the newest that this program knows"),
        (
            "99999999999:Ann",
            "version 99999999999, which is newer than 3, the newest that this program knows",
        ),
        ("3:", "the JSON ends early"),
        ("2:", "the JSON ends early"),
    ] {
        assert_eq!(undecodable::<Versioned<User>>(bytes.as_bytes()).to_string(), reason);
    }
}

#[test]
fn no_value_of_a_format_that_describes_itself_begins_like_a_version() {
    fn begins_with_no_version<C: Codec>() {
        for version in ["1:", "9:", "10:"] {
            for rest in ["", "1", "{}", ".", "\u{80}"] {
                let bytes = [version, rest].concat();
                assert!(C::decode(bytes.as_bytes()).is_err(), "{bytes:?}");
            }
        }
    }
    begins_with_no_version::<Json<serde_json::Value>>();
    begins_with_no_version::<MessagePack<serde_json::Value>>();
    begins_with_no_version::<Pickle<serde_json::Value>>();
}
