//! Formats readings for the terminal and as JSON.

use std::time::{Duration, SystemTime};

use redis_collections::keyword::{Description, Reading, Status, Value};
use serde_json::{Value as Json, json};

use redis_collections_cli::shown;

/// Formats one line: the value in words, and any problem with it.
pub(crate) fn line(reading: &Reading, description: Option<&Description>) -> String {
    let (keyword, value) = (shown::text(reading.keyword.as_bytes()), value(reading, description));
    let status = (reading.status != Status::Ready).then(|| status(reading));
    let service = (!reading.is_served).then(|| "not served".to_owned());
    let matters: Vec<_> = [status, service].into_iter().flatten().collect();
    if matters.is_empty() {
        format!("{keyword} = {value}")
    } else {
        format!("{keyword} = {value} ({})", matters.join("; "))
    }
}

/// Formats the value in words.
pub(crate) fn value(reading: &Reading, description: Option<&Description>) -> String {
    shown::text(in_words(reading, description).as_bytes())
}

/// Formats the status, and for an error the reason.
pub(crate) fn status(reading: &Reading) -> String {
    match &reading.error {
        Some(error) => shown::text(format!("{}: {error}", reading.status).as_bytes()),
        None => reading.status.to_string(),
    }
}

pub(crate) fn object(service: &str, reading: &Reading, description: Option<&Description>) -> Json {
    let value = match &reading.value {
        Value::Integer(integer) => json!(integer),
        Value::Number(number) => json!(number),
        Value::Boolean(boolean) => json!(boolean),
        text => json!(text.to_string()),
    };
    let since = |moment: SystemTime| moment.duration_since(SystemTime::UNIX_EPOCH).ok();
    json!({
        "service": service,
        "keyword": reading.keyword,
        "type": reading.kind,
        "value": value,
        "text": reading.text,
        "shown": in_words(reading, description),
        "status": reading.status.to_string(),
        "error": reading.error,
        "served": reading.is_served,
        "set_at_ms": reading.set_at.and_then(since).map(milliseconds),
        "age_ms": reading.age().map(milliseconds),
    })
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn in_words(reading: &Reading, description: Option<&Description>) -> String {
    match description {
        Some(description) => description.show(&reading.value),
        None => reading.text.clone(),
    }
}
