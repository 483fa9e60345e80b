//! Servers' information about themselves.

use redis::Value;

use crate::reply::as_bytes;

/// Returns the field `name` of a reply to `INFO`.
pub(crate) fn field<'a>(info: &'a Value, name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(as_bytes(info)?).ok()?;
    let of_name = |line: &'a str| line.trim_end().strip_prefix(name)?.strip_prefix(':');
    text.lines().find_map(of_name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Server\r\nrun_id_x:1\r\nrun_id:ab12\r\nuptime_in_seconds:7\r\nempty:\r\n";
        let bulk = Value::BulkString(info.into());
        for (name, value) in [
            ("run_id", Some("ab12")),
            ("uptime_in_seconds", Some("7")),
            ("empty", None),
            ("x", None),
        ] {
            assert_eq!(field(&bulk, name), value, "{name}");
        }
        assert_eq!(field(&Value::Nil, "run_id"), None);
    }
}
