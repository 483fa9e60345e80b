//! Checks that a type is read as it is written. Bytes without names and kinds show neither the
//! fields and variants that they belong to, nor that one was left out, nor their kinds.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::{self, Discriminant};

use super::leaves::{Leaf, Leaves};

thread_local! {
    static NOW: RefCell<Now> = const { RefCell::new(Now::Unwatched) };
}

/// The recording or comparison that runs on this thread.
enum Now {
    Unwatched,
    Writing(Outline),
    Reading(Reading),
}

/// A part of a value, as its type names it in writing.
enum Mark {
    Variant(u32, &'static str),
    /// The items of a variant, a struct or a tuple.
    Items(Items),
    /// Precedes the content of an item that has a name.
    Field(&'static str),
}

/// How many items a part has, and whether they are named.
#[derive(Clone, Copy)]
pub(super) struct Items {
    pub(super) count: usize,
    pub(super) have_names: bool,
}

/// The parts of a written value.
#[derive(Default)]
pub(in crate::codec) struct Outline {
    marks: Vec<Mark>,
    leaves: Leaves,
}

/// The progress of a reader along the outline of the written value.
struct Reading {
    marks: Vec<Mark>,
    at: usize,
    leaves: Leaves,
    by_names: bool,
    variants: DefaultHasher,
}

/// Runs `write`, and returns its result and its outline.
pub(in crate::codec) fn outlined<T>(write: impl FnOnce() -> T) -> (T, Outline) {
    let (written, now) = during(Now::Writing(Outline::default()), write);
    let outline = if let Now::Writing(outline) = now { outline } else { Outline::default() };
    (written, outline)
}

/// Runs `read`, which must fail with [`UNLIKE`] if it reads another outline.
///
/// A variant's name and its number must mean the same. Only the type knows their meanings, so it is
/// read once by each.
pub(in crate::codec) fn compared<T, E>(
    outline: Outline,
    mut read: impl FnMut() -> Result<T, E>,
    unlike: impl FnOnce() -> E,
) -> Result<T, E> {
    let has_variants = outline.marks.iter().any(|mark| matches!(mark, Mark::Variant(..)));
    let mut pass = |marks, by_names| {
        let (leaves, variants) = Default::default();
        let reading = Reading { marks, at: 0, leaves, by_names, variants };
        let (value, now) = during(Now::Reading(reading), &mut read);
        value.map(|value| (value, now))
    };
    let (value, now) = pass(outline.marks, false)?;
    let Now::Reading(mut numbered) = now else { return Err(unlike()) };
    let is_complete =
        numbered.next().is_none() && numbered.leaves.ended() == outline.leaves.ended();
    let is_alike = if has_variants {
        match pass(mem::take(&mut numbered.marks), true)? {
            (_, Now::Reading(named)) => named.variants.finish() == numbered.variants.finish(),
            _ => false,
        }
    } else {
        true
    };
    if is_complete && is_alike { Ok(value) } else { Err(unlike()) }
}

/// Runs `read` without comparing outlines.
pub(in crate::codec) fn unwatched<T>(read: impl FnOnce() -> T) -> T {
    during(Now::Unwatched, read).0
}

/// Runs `run` with `now` in place, and restores the previous state.
fn during<T>(now: Now, run: impl FnOnce() -> T) -> (T, Now) {
    let before = NOW.replace(now);
    let result = run();
    (result, NOW.replace(before))
}

pub(super) fn is_watched() -> bool {
    NOW.with_borrow(|now| !matches!(now, Now::Unwatched))
}

/// Records a leaf that is written or read.
pub(super) fn note(leaf: Leaf) {
    noting(|leaves| leaves.add(leaf));
}

/// Records bytes of a sequence.
pub(super) fn note_bytes(count: usize) {
    noting(|leaves| leaves.add_bytes(count));
}

fn noting(then: impl FnOnce(&mut Leaves)) {
    NOW.with_borrow_mut(|now| match now {
        Now::Unwatched => {}
        Now::Writing(outline) => then(&mut outline.leaves),
        Now::Reading(reading) => then(&mut reading.leaves),
    });
}

pub(super) fn write_variant(number: u32, name: &'static str) {
    writing(|marks| marks.push(Mark::Variant(number, name)));
}

/// Begins the items of a part, and returns their place in the outline.
pub(super) fn write_items(have_names: bool) -> usize {
    let mut place = 0;
    writing(|marks| {
        place = marks.len();
        marks.push(Mark::Items(Items { count: 0, have_names }));
    });
    place
}

/// Adds an item to those that began at `place`.
pub(super) fn write_item(place: usize, name: Option<&'static str>) {
    writing(|marks| {
        if let Some(Mark::Items(items)) = marks.get_mut(place) {
            items.count += 1;
        }
        marks.extend(name.map(Mark::Field));
    });
}

fn writing(then: impl FnOnce(&mut Vec<Mark>)) {
    NOW.with_borrow_mut(|now| {
        if let Now::Writing(outline) = now {
            then(&mut outline.marks);
        }
    });
}

/// Returns the name with which a variant of this `number` was written, and whether to use the name.
pub(super) fn read_variant(number: u32) -> Option<(&'static str, bool)> {
    reading(|reading| match reading.next()? {
        Mark::Variant(written, name) if *written == number => Some((*name, reading.by_names)),
        _ => None,
    })
}

/// Records the variant that the type chose for a number or name.
pub(super) fn note_variant<T>(variant: Discriminant<T>) {
    reading(|reading| {
        variant.hash(&mut reading.variants);
        Some(())
    });
}

pub(super) fn read_items() -> Option<Items> {
    reading(|reading| match reading.next()? {
        Mark::Items(items) => Some(*items),
        _ => None,
    })
}

/// Returns the place after the next field among the `names` that the type reads, if it is the one
/// that was written. Consecutive names may all be of one field.
pub(super) fn read_field(names: &[&'static str], from: usize) -> Option<usize> {
    reading(|reading| match reading.next()? {
        Mark::Field(_) if names.is_empty() => Some(from),
        Mark::Field(written) => {
            let place = names.iter().skip(from).position(|name| name == written)?;
            Some(from + place + 1)
        }
        _ => None,
    })
}

fn reading<T>(then: impl FnOnce(&mut Reading) -> Option<T>) -> Option<T> {
    NOW.with_borrow_mut(|now| match now {
        Now::Reading(reading) => then(reading),
        _ => None,
    })
}

impl Reading {
    fn next(&mut self) -> Option<&Mark> {
        let mark = self.marks.get(self.at);
        self.at += 1;
        mark
    }
}

pub(in crate::codec) const UNLIKE: &str =
    "what is skipped, renamed or of another type only as it is written, or only as it is read";
