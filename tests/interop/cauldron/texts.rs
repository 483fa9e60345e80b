//! The same requests to dispatchers of both kinds, and what each makes of them.

use redis_collections::LocalServer;
use redis_collections::keyword::{Dispatcher, Keyword, Kind as Type};

use super::{Cauldron, DOME, with_cauldron};
use support::contract::ok;
use support::eventually;
use support::kinds::Kind;
use support::wire::Wire;

with_cauldron! { both_dispatchers_make_the_same_of_a_text }

/// A type, the text that a client sends, and the value that the keyword gets; `None` is an error.
const SAME: &[(Type, &str, Option<&str>)] = &[
    (Type::Basic, "a b", Some("a b")),
    (Type::Basic, "1.50", Some("1.50")),
    (Type::String, "", Some("")),
    (Type::String, " ü\n\u{1f600}", Some(" ü\n\u{1f600}")),
    (Type::String, "x\0y", Some("x\0y")),
    (Type::Integer, "5", Some("5")),
    (Type::Integer, "-5", Some("-5")),
    (Type::Integer, "+5", Some("5")),
    (Type::Integer, "007", Some("7")),
    (Type::Integer, " 5\n", Some("5")),
    (Type::Integer, "7.9", Some("7")),
    (Type::Integer, "-7.9", Some("-7")),
    (Type::Integer, "-0.5", Some("0")),
    (Type::Integer, "1e3", Some("1000")),
    (Type::Integer, "5.", Some("5")),
    (Type::Integer, ".5", Some("0")),
    (Type::Integer, "2147483646", Some("2147483646")),
    (Type::Integer, "2147483646.9", Some("2147483646")),
    (Type::Integer, "2147483647", None),
    (Type::Integer, "-2147483647", Some("-2147483647")),
    (Type::Integer, "-2147483647.9", Some("-2147483647")),
    (Type::Integer, "-2147483648", None),
    (Type::Integer, "1e400", None),
    (Type::Integer, "nan", None),
    (Type::Integer, "inf", None),
    (Type::Integer, "", None),
    (Type::Integer, "junk", None),
    (Type::Integer, "0x10", None),
    (Type::Integer, "1 2", None),
    (Type::Boolean, "1", Some("1")),
    (Type::Boolean, "TRUE", Some("1")),
    (Type::Boolean, "t", Some("1")),
    (Type::Boolean, "Yes", Some("1")),
    (Type::Boolean, "oN", Some("1")),
    (Type::Boolean, "0", Some("0")),
    (Type::Boolean, "False", Some("0")),
    (Type::Boolean, "f", Some("0")),
    (Type::Boolean, "no", Some("0")),
    (Type::Boolean, "OFF", Some("0")),
    (Type::Boolean, "", None),
    (Type::Boolean, "2", None),
    (Type::Boolean, "y", None),
    (Type::Double, "3", Some("3.0")),
    (Type::Double, "-0", Some("-0.0")),
    (Type::Double, "0.1", Some("0.1")),
    (Type::Double, "0.30000000000000004", Some("0.30000000000000004")),
    (Type::Double, "0.0001", Some("0.0001")),
    (Type::Double, "0.00001", Some("1e-05")),
    (Type::Double, "1e15", Some("1000000000000000.0")),
    (Type::Double, "1E16", Some("1e+16")),
    (Type::Double, "5e-324", Some("5e-324")),
    (Type::Double, "1e400", Some("inf")),
    (Type::Double, "-Infinity", Some("-inf")),
    (Type::Double, "NaN", Some("nan")),
    (Type::Double, "1,5", None),
    (Type::Float, "12345678901234567890", Some("1.2345678901234567e+19")),
    (Type::Float, "x", None),
    (Type::Enumerated, "1", Some("1")),
    (Type::Enumerated, "Open", Some("1")),
    (Type::Enumerated, "2", None),
    (Type::Enumerated, "ajar", None),
];

/// The same, and what a dispatcher here makes of it.
const DIFFERENT: &[Row] = &[
    // Python has digits in groups.
    (Type::Double, "1_000", Some("1000.0"), None),
    // Cauldron takes no spaces for some types.
    (Type::Boolean, " yes ", None, Some("1")),
    (Type::Enumerated, "1.0", None, Some("1")),
    // Cauldron's masks are any text.
    (Type::Mask, "junk", Some("junk"), None),
    (Type::Mask, "open, closed", Some("open, closed"), Some("3")),
];

const LABELS: [&str; 2] = ["closed", "open"];

/// What a keyword has before, in words that belong to no keyword, and then as a text. No row asks for
/// it.
fn initial(kind: Type, expected: Option<&str>) -> [&'static str; 2] {
    match (kind, expected) {
        (Type::Boolean, Some("0")) => ["yes", "1"],
        (Type::Boolean, _) => ["no", "0"],
        (Type::Enumerated, _) => ["closed", "0"],
        (Type::Mask, _) => ["1", "1"],
        (Type::Double | Type::Float, _) => ["9", "9.0"],
        _ => ["9", "9"],
    }
}

async fn both_dispatchers_make_the_same_of_a_text<C: Kind>(server: LocalServer, client: C) {
    let same = SAME.iter().map(|(kind, text, both)| (*kind, *text, *both, *both));
    let rows: Vec<_> = same.chain(DIFFERENT.iter().copied()).collect();
    let name = |row: usize| format!("K{row}");
    let theirs = rows.iter().enumerate().flat_map(|(row, (kind, _, their, _))| {
        let keyword = format!("{}:{}={}", name(row), kind.as_str(), initial(*kind, *their)[0]);
        // Options come last.
        let labels = format!("--labels={}={}", name(row), LABELS.join(","));
        [Some(keyword), (*kind == Type::Enumerated).then_some(labels)]
    });
    let mut theirs: Vec<_> = theirs.flatten().collect();
    theirs.sort_by_key(|word| word.starts_with("--"));
    let theirs: Vec<_> = theirs.iter().map(String::as_str).collect();
    let _theirs = Cauldron::serve(&server, &theirs);

    let ours = rows.iter().enumerate().map(|(row, (kind, _, _, our))| {
        let keyword = match kind {
            Type::Enumerated => Keyword::enumerated(&name(row), LABELS),
            Type::Mask => Keyword::mask(&name(row), LABELS),
            kind => Keyword::new(&name(row), *kind),
        };
        keyword.initial(initial(*kind, *our)[0])
    });
    let _ours = ok!(Dispatcher::builder("ours").keywords(ours).serve(&client));

    for service in [DOME, "ours"] {
        let mut wire = Wire::to(server.url(), service);
        let expected = |(_, _, their, our): &Row| if service == DOME { *their } else { *our };
        for (keyword, row) in rows.iter().enumerate().map(|(number, row)| (name(number), row)) {
            let before = initial(row.0, expected(row))[1];
            assert_eq!(wire.value(&keyword).as_deref(), Some(before), "{service} {row:?}");
            assert_eq!(wire.modify(&keyword, row.1.as_bytes()), 1);
        }
        for (keyword, row) in rows.iter().enumerate().map(|(number, row)| (name(number), row)) {
            let before = initial(row.0, expected(row))[1];
            let state = match expected(row) {
                Some(text) => (Some(text.into()), Some("ready".into())),
                None => (Some(before.into()), Some("error".into())),
            };
            let mut found = || (wire.value(&keyword), wire.status(&keyword));
            assert!(eventually(|| found() == state), "{service} {row:?}: {:?}", found());
        }
    }
}

type Row = (Type, &'static str, Option<&'static str>, Option<&'static str>);
