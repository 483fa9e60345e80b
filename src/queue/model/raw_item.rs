//! Items as the lists of the modelled server have them.

use crate::queue::item::Item;

/// A job as it stands in lists; its payload is its name.
pub(crate) type RawItem = Vec<u8>;

pub(crate) fn name(item: &RawItem) -> u8 {
    parse(item).0
}

/// How many deliveries failed.
pub(crate) fn attempts(item: &RawItem) -> u8 {
    parse(item).1
}

pub(crate) fn parse(item: &RawItem) -> (u8, u8, Option<u8>) {
    let item = Item::parse(item);
    (item.payload[0], item.attempts as u8, item.mark)
}

pub(crate) fn wrap(name: u8, attempts: u8, mark: Option<u8>) -> RawItem {
    let header = format!("\x1eq1;{attempts}");
    let id = [b';', name, b';', name];
    header.into_bytes().into_iter().chain(mark).chain(id).collect()
}

/// The item after a failed delivery.
pub(crate) fn again(item: &RawItem) -> RawItem {
    let (name, attempts, _) = parse(item);
    let (.., mark) = parse(&unbegun(item));
    wrap(name, attempts.saturating_add(1), mark)
}

/// The item after its handler has begun.
pub(crate) fn begun(item: &RawItem) -> RawItem {
    let (name, attempts, mark) = parse(item);
    let was_lost = matches!(mark, Some(b'?' | b'!'));
    wrap(name, attempts, Some(if was_lost { b'!' } else { b'+' }))
}

/// The item once no consumer holds it any more.
pub(crate) fn unbegun(item: &RawItem) -> RawItem {
    match parse(item) {
        (name, attempts, Some(b'!')) => wrap(name, attempts, Some(b'?')),
        (name, attempts, Some(b'+')) => wrap(name, attempts, None),
        _ => item.clone(),
    }
}
