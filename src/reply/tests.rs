//! Replies of every shape, without a server.

use std::fmt::Debug;

use super::*;

fn read<T>(request: Request, value: Value, read: fn(Reply<'_>) -> Result<T>) -> Result<T> {
    request.returns(read).read(value)
}

fn bulk(text: &str) -> Value {
    Value::BulkString(text.into())
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect())
}

/// Reads a reply, and shows the outcome.
fn shown<T: Debug>(value: Value, with: fn(Reply<'_>) -> Result<T>) -> String {
    let request = Request::write("X").key(b"k");
    match read(request, value, with) {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    }
}

fn nested(value: Value) -> Value {
    array([array([value])])
}

fn error() -> Value {
    redis::parse_redis_value(b"-ERR no\r\n").unwrap()
}

/// Returns whether an outcome is that of a reply of another shape.
fn is_refused(shown: &str) -> bool {
    shown.contains("expected ") || shown.contains("the server says ERR no")
}

#[test]
fn a_reader_accepts_every_reply_of_its_commands() {
    let members = || vec![bulk("1"), bulk("2")];
    for (shown, expected) in [
        (shown(Value::Okay, ok), "()"),
        (shown(Value::Okay, pong), "()"),
        (shown(Value::SimpleString("PONG".into()), pong), "()"),
        (shown(Value::Okay, accepted), "true"),
        (shown(Value::Nil, accepted), "false"),
        (shown(Value::Int(1), flag), "true"),
        (shown(Value::Int(0), flag), "false"),
        (shown(Value::Int(1), applied), "()"),
        (shown(Value::Nil, optional_flag), "None"),
        (shown(Value::Int(0), optional_flag), "Some(false)"),
        (shown(array([Value::Int(1)]), flags), "[true]"),
        (shown(Value::Int(7), count), "7"),
        (shown(Value::Int(1), at_most_asked), "1"),
        (shown(Value::Int(0), positive), "None"),
        (shown(Value::Int(3), positive), "Some(3)"),
        (shown(Value::Int(-1), inserted), "None"),
        (shown(Value::Int(0), inserted), "None"),
        (shown(Value::Int(3), inserted), "Some(3)"),
        (shown(Value::Int(-2), time_left), "-2"),
        (shown(array([Value::Int(-2)]), one_integer), "-2"),
        (shown(Value::Int(7), sum::<u8>), "7"),
        (shown(bulk("7"), sum::<u8>), "7"),
        (shown(Value::Double(0.5), sum::<f64>), "0.5"),
        (shown(Value::Nil, optional_number), "None"),
        (shown(bulk("18446744073709551615"), optional_number), "Some(18446744073709551615)"),
        (shown(bulk("7"), one::<u8>), "7"),
        (shown(Value::Nil, optional::<u8>), "None"),
        (shown(bulk(""), optional::<String>), "Some(\"\")"),
        (shown(array([bulk("1")]), optional_each::<u8>), "[Some(1)]"),
        (shown(array([Value::Nil]), optional_each::<u8>), "[None]"),
        (shown(array(members()), many::<u8>), "[1, 2]"),
        (shown(array(members()), self::members::<u8>), "[1, 2]"),
        (shown(Value::Set(members()), self::members::<u8>), "[1, 2]"),
        (shown(array([bulk("x"), bulk("2")]), each::<u8>), "Err"),
        (shown(Value::Nil, each_or_none::<u8>), "[]"),
        (shown(Value::Nil, popped::<u8>), "None"),
        (shown(array([bulk("k"), bulk("1")]), popped::<u8>), "Some(([107], 1))"),
        (shown(array([bulk("9"), array([bulk("a")])]), scanned), "(9, [[97]])"),
        (shown(array([bulk("9"), array([bulk("1"), bulk("2")])]), scanned_entries), "(9, "),
        (shown(array([bulk("1"), bulk("2")]), time), "[1, 2]"),
    ] {
        assert!(shown.contains(expected) && !is_refused(&shown), "{shown}, not {expected}");
    }
}

/// Checks that a reader accepts none of the replies but those at the listed positions.
macro_rules! refuses {
    ($($reader:expr, $taken:expr;)+) => {$(
        for (position, reply) in replies().into_iter().enumerate() {
            let (reply_shown, taken) = (format!("{reply:?}"), $taken.contains(&position));
            let shown = shown(reply, $reader);
            assert_eq!(!is_refused(&shown), taken, "{}: {reply_shown}: {shown}", stringify!($reader));
        }
    )+};
}

/// Replies, nearly all of which are wrong for each command.
fn replies() -> Vec<Value> {
    vec![
        Value::Okay,
        Value::SimpleString("QUEUED".into()),
        Value::Nil,
        Value::Int(-1),
        Value::Int(0),
        Value::Int(1),
        Value::Int(7),
        bulk("1"),
        error(),
        array([]),
        array([error(), error()]),
        array([bulk("1")]),
        array([Value::Int(1)]),
        array([bulk("1"), bulk("2"), bulk("3")]),
        nested(bulk("1")),
        Value::Set(vec![bulk("1")]),
        Value::Map(vec![(bulk("k"), bulk("1"))]),
        Value::Boolean(true),
        Value::Double(1.0),
        Value::SimpleString("PONG".into()),
        Value::Int(-3),
    ]
}

#[test]
fn a_reader_refuses_every_other_reply() {
    const NONE: [usize; 0] = [];
    refuses! {
        ok, [0];
        pong, [0, 19];
        accepted, [0, 2];
        flag, [4, 5];
        applied, [5];
        optional_flag, [2, 4, 5];
        flags, [12];
        count, [4, 5, 6];
        at_most_asked, [4, 5];
        positive, [4, 5, 6];
        inserted, [3, 4, 5, 6];
        integer, [3, 4, 5, 6, 20];
        one_integer, [12];
        time_left, [3, 4, 5, 6];
        sum::<f64>, [3, 4, 5, 6, 7, 18, 20];
        optional_number, [2, 4, 5, 6, 7];
        one::<u8>, [7];
        raw, [2, 7];
        optional::<u8>, [2, 7];
        optional_each::<u8>, [11];
        raw_each, [11];
        raw_many, [9, 11, 13];
        many::<u8>, [9, 11, 13];
        members::<u8>, [9, 11, 13, 15];
        each::<u8>, [9, 11, 13];
        each_or_none::<u8>, [2, 9, 11, 13];
        popped::<u8>, [2];
        scanned, NONE;
        time, NONE;
    }
}

#[test]
fn a_list_has_as_many_values_as_were_asked_for_and_no_more_than_wanted() {
    let list = |values: usize| array((0..values).map(|_| bulk("1")));
    let flags_of = |values: usize| array((0..values).map(|_| Value::Int(1)));
    let keys = || Request::read("MGET").key(b"a").key(b"b");
    let fields = || Request::read("HMGET").key(b"h").field::<u8>(&1).field::<u8>(&2);
    let range = || Request::read("LRANGE").key(b"l").number(3).number(4);
    for (values, is_right) in [(0, false), (1, false), (2, true), (3, false)] {
        for request in [keys(), fields(), fields().arg("EX")] {
            assert_eq!(read(request, list(values), optional_each::<u8>).is_ok(), is_right);
        }
        let members = Request::read("SMISMEMBER").key(b"s").arg("1").arg("2");
        assert_eq!(read(members, flags_of(values), flags).is_ok(), is_right);
        let wanted = Request::write("LPOP").key(b"l").number(2);
        assert_eq!(read(wanted, list(values), each::<u8>).is_ok(), values <= 2);
        assert_eq!(read(range(), list(values), many::<u8>).is_ok(), values <= 2);
        let all = Request::read("LRANGE").key(b"l").number(1).number(-1);
        assert!(read(all, list(values), many::<u8>).is_ok());
    }
    assert!(read(keys(), array([list(1)]), raw_each).is_err());
}

#[test]
fn an_unexpected_reply_is_reported_with_the_expected_and_the_actual_shape() {
    for (shown, expected) in [
        (shown(Value::Nil, count), "expected an integer, the server answered nil"),
        (shown(Value::Int(-1), count), "expected a count, the server answered another integer"),
        (shown(Value::Int(1), many::<u8>), "expected a list, the server answered an integer"),
        (shown(array([]), one::<u8>), "expected a string, the server answered a list"),
        (
            shown(array([bulk("k")]), popped::<u8>),
            "expected as many values as were asked for, the server answered another number of them",
        ),
        (
            shown(array([bulk("q"), bulk("1")]), popped::<u8>),
            "expected a key that was asked for, the server answered another one",
        ),
    ] {
        assert_eq!(shown, format!("X \"k\": {expected}"));
    }
}

#[test]
fn a_write_with_an_unexpected_reply_may_have_been_applied() {
    let error = read(Request::write("SADD").key(b"s"), bulk("secret"), count).unwrap_err();
    assert_eq!(error.applied(), crate::Applied::Perhaps);
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn an_undecodable_value_is_located_and_kept_but_not_shown() {
    let request = Request::read("MGET").key(b"a").key(b"b");
    let values = Value::Array(vec![bulk("1"), bulk("secret")]);
    let error = read(request, values, optional_each::<u64>).unwrap_err();
    let expected = r#"MGET "b": cannot decode 6 bytes as u64: not a decimal number that fits u64"#;
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.undecoded(), Some(&b"secret"[..]));
    assert!(!format!("{error:?}").contains("secret"));
}
