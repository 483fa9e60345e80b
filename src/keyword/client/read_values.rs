//! Reads values from the server's keys.

use std::time::{Duration, Instant, SystemTime};

use super::served;
use crate::client::RoundTrips;
use crate::error::{Error, KeywordError, Result};
use crate::keyword::description::{Access, Description};
use crate::keyword::kind::Kind;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::{Reading, Status};
use crate::keyword::value::Value;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::reply;
use crate::reply::decode_bytes;
use crate::request::Request;

/// Returns the values of `keywords`, in their order, each with its own result. One round trip per
/// page.
pub(crate) async fn lookup<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
    keywords: &[KeywordName],
) -> Result<Vec<Result<Reading>>> {
    let mut readings = Vec::with_capacity(keywords.len());
    for page in keywords.chunks(ENTRIES_PER_COMMAND) {
        let field = |request: Request, keyword: &KeywordName| request.arg(keyword.as_str());
        let times = Request::read("HMGET").key(&service.times());
        let times = page.iter().fold(times, |request, keyword| {
            field(request, keyword).arg(service.status_field(keyword))
        });
        let descriptions = Request::read("HMGET").key(&service.descriptions());
        // A value may be set during the read. It is never older than its time.
        let values = page.iter().map(|keyword| service.value(keyword));
        let exist = values.fold(Request::read("EXISTS"), |request, value| request.key(&value));
        let (times, stored, descriptions, now, exist, is_held, is_registered, describes) = executor
            .send_all((
                times.returns(reply::raw_each),
                stored(service, page).returns(reply::raw_each),
                page.iter().fold(descriptions, field).returns(reply::raw_each),
                Request::read("TIME").returns(reply::time),
                exist.returns(reply::count),
                served::is_held(service),
                served::is_registered(service),
                served::describes(service),
            ))
            .await?;
        let (times, stored, descriptions, now) = (times?, stored?, descriptions?, now?);
        let (is_held, is_registered) = (is_held?, served::unless_forbidden(is_registered)?);
        let is_served = served::serves(is_held, is_registered, describes?);
        let [seconds, microseconds] = now;
        let now = seconds.saturating_mul(MICROSECONDS).saturating_add(microseconds);
        let found = stored.chunks_exact(STORED).zip(times.chunks_exact(TIMES)).zip(descriptions);
        for (keyword, ((stored, times), description)) in page.iter().zip(found) {
            // The lease holder describes the keywords that it serves.
            let is_served = is_served && (!is_held || description.is_some());
            let found = Found { stored, times, description, now, is_served };
            readings.push(found.reading(service, keyword));
        }
        let found = stored.iter().step_by(STORED).flatten().count();
        if found < exist? {
            let first = readings.len() - page.len();
            explain(executor, service, page, &mut readings[first..]).await?;
        }
    }
    Ok(readings)
}

/// Replaces the error of each keyword that seems missing but has a value of another type.
async fn explain<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
    keywords: &[KeywordName],
    readings: &mut [Result<Reading>],
) -> Result<()> {
    let is_missing = |reading: &Result<_>| {
        let error = reading.as_ref().err().and_then(Error::keyword_error);
        error == Some(&KeywordError::UnknownKeyword)
    };
    let missing = keywords.iter().zip(readings).filter(|(_, reading)| is_missing(reading));
    let missing: Vec<_> = missing.collect();
    let read = |keyword| Request::read("GET").key(&service.value(keyword)).returns(reply::raw);
    let reads: Vec<_> = missing.iter().map(|(keyword, _)| read(keyword)).collect();
    for ((keyword, reading), found) in missing.into_iter().zip(executor.send_all(reads).await?) {
        if let Err(error) = found {
            *reading = Err(error.called("read", service.value(keyword)));
        }
    }
    Ok(())
}

/// Returns the value of one keyword.
pub(crate) async fn one<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
    keyword: &KeywordName,
) -> Result<Reading> {
    let reading = lookup(executor, service, std::slice::from_ref(keyword)).await?.pop();
    reading.unwrap_or_else(|| Err(service.unknown("read", keyword)))
}

/// Returns the reading of a value that a dispatcher has just set.
pub(crate) fn fresh(keyword: &KeywordName, kind: Kind, text: String, at: u64) -> Reading {
    Reading {
        keyword: keyword.as_str().to_owned(),
        kind,
        value: value_of(kind, &text),
        text,
        status: Status::Ready,
        error: None,
        set_at: moment(at),
        is_served: true,
        age: Some(Duration::ZERO),
        read_at: Instant::now(),
        changed: Some(at),
    }
}

/// Parses a value, and falls back to text where it is not of the type.
fn value_of(kind: Kind, text: &str) -> Value {
    kind.parse(text, &[]).unwrap_or_else(|_| Value::Text(text.into()))
}

/// Decodes the value of a keyword as text.
pub(crate) fn text_of(
    service: &ServiceName,
    keyword: &KeywordName,
    bytes: Vec<u8>,
) -> Result<String> {
    decode_bytes::<String>(bytes, || *service.attempt("read", keyword, false))
}

/// Returns the time that is this many microseconds on the server's clock.
fn moment(microseconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(microseconds))
}

/// The raw replies about one keyword.
struct Found<'a> {
    stored: &'a [Option<Vec<u8>>],
    times: &'a [Option<Vec<u8>>],
    description: Option<Vec<u8>>,
    now: u64,
    is_served: bool,
}

impl Found<'_> {
    fn reading(self, service: &ServiceName, keyword: &KeywordName) -> Result<Reading> {
        let stored = |index: usize| self.stored.get(index).and_then(Option::as_deref);
        let description = self.description.and_then(|json| described(&json));
        if description.as_ref().is_some_and(|known| known.access == Access::WriteOnly) {
            let attempt = service.attempt("read", keyword, false);
            let source = KeywordError::Refused { reason: "it is write-only".into() };
            return Err(Error::Keyword { attempt, source });
        }
        let value = stored(0).ok_or_else(|| service.unknown("read", keyword))?;
        let text = text_of(service, keyword, value.to_vec())?;
        let kind = description.map(|known| known.kind);
        let kind = kind.unwrap_or_else(|| Kind::named(stored(2).unwrap_or_default()));
        // The second time is followed by a word if it is that of a failed write.
        let time = |index: usize| {
            let time = std::str::from_utf8(self.times.get(index)?.as_deref()?).ok()?;
            time.split(' ').next()?.parse::<u64>().ok()
        };
        let at = time(0);
        Ok(Reading {
            keyword: keyword.as_str().to_owned(),
            kind,
            value: value_of(kind, &text),
            text,
            status: Status::named(stored(1).unwrap_or_default()),
            error: stored(3).map(|error| String::from_utf8_lossy(error).into_owned()),
            set_at: at.and_then(moment),
            is_served: self.is_served,
            age: at.map(|at| Duration::from_micros(self.now.saturating_sub(at))),
            read_at: Instant::now(),
            changed: at.max(time(1)),
        })
    }
}

/// Parses a stored description; `None` if it is not one.
pub(crate) fn described(json: &[u8]) -> Option<Description> {
    serde_json::from_slice(json).ok()
}

/// Reads a description as stored and as in a file, and parses a value by it. Returns whether it is
/// a description.
#[cfg(test)]
pub(crate) fn read_description(bytes: &[u8]) -> bool {
    use crate::keyword::service_definition::ServiceDefinition;

    let text = String::from_utf8_lossy(bytes);
    let is_in_file = ServiceDefinition::<crate::client::Client>::from_toml(&text).is_ok()
        | ServiceDefinition::<crate::client::Client>::from_json(&text).is_ok();
    let Some(description) = described(bytes) else { return is_in_file };
    let values = [&*text, "1", "-2.5", "a,1", "open"].map(|text| description.parse(text));
    let shown = values.iter().flatten().map(|value| description.show(value).len());
    description.check().is_ok() && shown.sum::<usize>() > 0
}

/// Reads the [`STORED`] keys of each keyword.
fn stored(service: &ServiceName, page: &[KeywordName]) -> Request {
    page.iter().fold(Request::read("MGET"), |request, keyword| {
        let keys = [
            service.value(keyword),
            service.status(keyword),
            service.kind(keyword),
            service.error(keyword),
        ];
        keys.iter().fold(request, |request, key| request.key(key))
    })
}

/// How many keys [`stored`] reads for each keyword.
const STORED: usize = 4;
/// How many times are stored for each keyword.
const TIMES: usize = 2;
const MICROSECONDS: u64 = 1_000_000;
