//! Inputs made of others.

use std::ops::Range;

use super::random::Random;

/// One of `pool`, changed in a few ways.
pub(super) fn mutated(random: &mut Random, pool: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.one_of(pool).clone();
    for _ in 0..=random.below(4) {
        mutate(random, &mut bytes, pool);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, pool: &[Vec<u8>]) {
    let part = part(random, bytes.len());
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(part.start) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(part.start) {
                *byte = *random.one_of(TELLING);
            }
        }
        2 => {
            let added: Vec<u8> = (0..=random.below(8)).map(|_| random.next() as u8).collect();
            bytes.splice(part.start..part.start, added);
        }
        3 => drop(bytes.drain(part)),
        4 => {
            let most = LONGEST / part.len().max(1);
            let repeated = bytes[part.clone()].repeat(random.below(most.min(REPEATS) + 1));
            bytes.splice(part.start..part.start, repeated);
        }
        5 => {
            let other = random.one_of(pool);
            let from = self::part(random, other.len());
            bytes.splice(part, other[from].iter().copied());
        }
        6 => {
            let number = *random.one_of(LENGTHS);
            let size = 1 << random.below(4);
            let number = match random.below(2) {
                0 => number.to_le_bytes()[..size].to_vec(),
                _ => number.to_be_bytes()[8 - size..].to_vec(),
            };
            bytes.splice(part.start..(part.start + size).min(bytes.len()), number);
        }
        7 => {
            let digits = random.one_of(LENGTHS).to_string();
            let is_digit = |byte: &&u8| byte.is_ascii_digit();
            let count = bytes[part.start..].iter().take_while(is_digit).count();
            bytes.splice(part.start..part.start + count, digits.bytes());
        }
        _ => bytes.push(*random.one_of(TELLING)),
    }
}

/// Some range of a sequence, mostly a short one.
fn part(random: &mut Random, length: usize) -> Range<usize> {
    let start = random.below(length + 1);
    let longest = if random.below(4) == 0 { length - start } else { (length - start).min(8) };
    start..start + random.below(longest + 1)
}

/// Bytes that mean something to many formats.
const TELLING: &[u8] =
    b"\0\x01\x7f\x80\x81\x85\x91\x94\xc0\xdb\xdf\xfb\xfc\xfd\xff\n \"'(),-.0:;@[]\\_e{}RN";

const LENGTHS: &[u64] = &[
    0,
    1,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    0x1f00_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

const LONGEST: usize = 4096;
const REPEATS: usize = 1000;
