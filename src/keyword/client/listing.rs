//! Lists and describes the keywords of a service.

use std::collections::BTreeMap;

use super::read_values::described;
use super::served;
use crate::client::RoundTrips;
use crate::collections::{Cursor, Name};
use crate::error::Result;
use crate::keys::escape;
use crate::keyword::description::Description;
use crate::keyword::kind::Kind;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::reply;
use crate::request::Request;

/// Returns the keywords of a service as its dispatcher describes them. Cauldron dispatchers store
/// no descriptions: there the keys are listed.
pub(crate) async fn keywords<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
) -> Result<Vec<Description>> {
    let mut found = BTreeMap::new();
    let hash = Name::from(service.descriptions());
    let mut cursor = Cursor::default();
    while !cursor.is_done() {
        let page = cursor.page(executor, None, "HSCAN", &hash, b"*").await?;
        for entry in page.chunks_exact(2) {
            if let Some((name, description)) = entry_of(entry) {
                found.insert(name, description);
            }
        }
    }
    if found.is_empty() {
        found = by_keys(executor, service).await?;
    }
    Ok(found.into_values().collect())
}

/// Describes a keyword, if it exists: from its stored description, or else from its key. One round
/// trip.
pub(crate) async fn describe<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
    keyword: &KeywordName,
) -> Result<Option<Description>> {
    let described_as = Request::read("HGET").key(&service.descriptions()).arg(keyword.as_str());
    let exists = Request::read("EXISTS").key(&service.value(keyword));
    let kind = Request::read("GET").key(&service.kind(keyword));
    let (json, exists, kind, describes) = executor
        .send_all((
            described_as.returns(reply::raw),
            exists.returns(reply::flag),
            kind.returns(reply::raw),
            served::describes(service),
        ))
        .await?;
    let (json, exists, kind, describes) = (json?, exists?, kind?, describes?);
    let is_there = if describes { json.is_some() } else { exists };
    let known = json.and_then(|json| described(&json));
    Ok(known.or_else(|| is_there.then(|| named(keyword, kind))))
}

/// Finds keywords by their keys, which show only names and types. Scans the database.
async fn by_keys<E: RoundTrips>(
    executor: &E,
    service: &ServiceName,
) -> Result<BTreeMap<KeywordName, Description>> {
    let pattern = [escape(&service.values()), b"*".to_vec()].concat();
    let mut found = BTreeMap::new();
    let mut cursor = Cursor::default();
    while !cursor.is_done() {
        let keys = cursor.keys(executor, None, &pattern, Some("string")).await?;
        let names: Vec<_> = keys.iter().filter_map(|key| service.keyword(key)).collect();
        if names.is_empty() {
            continue;
        }
        let kinds = names
            .iter()
            .fold(Request::read("MGET"), |request, name| request.key(&service.kind(name)));
        let kinds = executor.send(kinds.returns(reply::raw_each)).await?;
        for (name, kind) in names.into_iter().zip(kinds) {
            let description = named(&name, kind);
            found.insert(name, description);
        }
    }
    Ok(found)
}

fn entry_of(entry: &[Vec<u8>]) -> Option<(KeywordName, Description)> {
    let [name, json] = entry else { return None };
    let name = KeywordName::new(std::str::from_utf8(name).ok()?).ok()?;
    let description = described(json).unwrap_or_else(|| named(&name, None));
    Some((name, description))
}

/// Describes a keyword of which only the name and the type are known.
fn named(keyword: &KeywordName, kind: Option<Vec<u8>>) -> Description {
    Description::new(keyword.as_str(), Kind::named(&kind.unwrap_or_default()))
}
