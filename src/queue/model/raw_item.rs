//! Items as stored in the lists of the modelled server.

use crate::queue::item::Item;

/// A job as it stands in lists; its payload is its name.
pub(crate) type RawItem = Vec<u8>;

pub(crate) fn name(item: &RawItem) -> u8 {
    parse(item).0
}

/// The deliveries counted so far.
pub(crate) fn deliveries(item: &RawItem) -> u8 {
    parse(item).1
}

/// The name, the counted deliveries and the mark of an item.
pub(crate) fn parse(item: &RawItem) -> (u8, u8, Option<u8>) {
    let item = Item::parse(item);
    (item.payload[0], item.deliveries as u8, item.mark)
}

/// The item with a header.
pub(crate) fn wrap(name: u8, deliveries: u8, mark: Option<u8>) -> RawItem {
    let header = format!("\x1eq1;{deliveries}");
    let id = [b';', name, b';', name];
    header.into_bytes().into_iter().chain(mark).chain(id).collect()
}

/// The item after a failed delivery.
pub(crate) fn again(item: &RawItem) -> RawItem {
    let (name, deliveries, _) = parse(item);
    let (.., mark) = parse(&unbegun(item));
    wrap(name, deliveries.saturating_add(1), mark)
}

/// The item after its handler has begun.
pub(crate) fn begun(item: &RawItem) -> RawItem {
    let (name, deliveries, mark) = parse(item);
    let was_lost = matches!(mark, Some(b'?' | b'!'));
    wrap(name, deliveries, Some(if was_lost { b'!' } else { b'+' }))
}

/// The item once no consumer holds it any more.
pub(crate) fn unbegun(item: &RawItem) -> RawItem {
    match parse(item) {
        (name, deliveries, Some(b'!')) => wrap(name, deliveries, Some(b'?')),
        (name, deliveries, Some(b'+')) => wrap(name, deliveries, None),
        _ => item.clone(),
    }
}
