//! Runs one decoder on what the fuzzer makes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use allocation_counter::measure;

use super::mutation::mutated;
use super::random::Random;

/// A decoder, and what memory its input justifies.
pub(super) struct Target {
    pub(super) name: String,
    /// Inputs to begin with.
    pub(super) corpus: Vec<Vec<u8>>,
    pub(super) decode: Decode,
    pub(super) memory: Memory,
}

/// Gives whether the bytes are accepted, or what is wrong with the decoder.
pub(super) type Decode = Box<dyn Fn(&[u8]) -> Result<bool, String>>;

/// How many bytes may be held at once: so many, and so many for each byte of the input.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub(super) flat: u64,
    pub(super) per_byte: u64,
}

impl Target {
    /// Looks for inputs that break the decoder: the corpus first, then mutations of it and of what
    /// was accepted. Gives how many it tried.
    pub(super) fn run(&self, seed: u64, time: Duration) -> Result<usize, String> {
        let mut inputs = self.corpus.len();
        for input in &self.corpus {
            self.check(input)?;
        }
        let mut pool = self.corpus.clone();
        let mut random = Random::new(seed);
        let end = Instant::now() + time;
        while Instant::now() < end {
            for _ in 0..BATCH {
                let input = mutated(&mut random, &pool);
                if self.check(&input)? && random.below(RARELY) == 0 {
                    if pool.len() < self.corpus.len() + ADOPTED {
                        pool.push(input);
                    } else {
                        let place = self.corpus.len() + random.below(ADOPTED);
                        pool[place] = input;
                    }
                }
            }
            inputs += BATCH;
        }
        Ok(inputs)
    }

    fn check(&self, input: &[u8]) -> Result<bool, String> {
        let mut outcome = Ok(false);
        let used = measure(|| {
            let decode = || (self.decode)(input);
            outcome =
                catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err("a panic".into()));
        });
        let most = self.memory.flat + self.memory.per_byte * input.len() as u64;
        let problem = match outcome {
            Err(problem) => problem,
            Ok(_) if used.bytes_max > most => format!("{} bytes held at once", used.bytes_max),
            Ok(_) if used.bytes_total > most * TURNOVER => {
                format!("{} bytes taken in all", used.bytes_total)
            }
            Ok(is_accepted) => return Ok(is_accepted),
        };
        let (name, length) = (&self.name, input.len());
        Err(format!("{name}: {problem} for {length} bytes: b\"{}\"", input.escape_ascii()))
    }
}

const BATCH: usize = 50;
/// How many accepted inputs are mutated beside the corpus.
const ADOPTED: usize = 64;
/// One of so many accepted inputs is.
const RARELY: usize = 16;
/// How often memory may be taken again that was given back.
const TURNOVER: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(decode: fn(&[u8]) -> Result<bool, String>) -> Result<usize, String> {
        let corpus = vec![b"\x04\0\0\0abcd".to_vec()];
        let memory = Memory { flat: 4096, per_byte: 8 };
        let target = Target { name: "planted".into(), corpus, decode: Box::new(decode), memory };
        target.run(7, Duration::from_millis(500))
    }

    fn declared(bytes: &[u8]) -> Option<usize> {
        let (length, _) = bytes.split_first_chunk()?;
        usize::try_from(u32::from_le_bytes(*length)).ok()
    }

    #[test]
    fn planted_faults_are_found() {
        let believing: fn(&[u8]) -> _ = |bytes| {
            let length = declared(bytes).unwrap_or(0).min(1 << 20);
            Ok(Vec::<u8>::with_capacity(std::hint::black_box(length)).capacity() == bytes.len())
        };
        let slicing: fn(&[u8]) -> _ = |bytes| {
            let length = declared(bytes).unwrap_or(0).min(8);
            Ok(bytes.is_empty() || bytes[..length].is_ascii())
        };
        let churning: fn(&[u8]) -> _ = |bytes| {
            let taken = |_: &u8| drop(std::hint::black_box(vec![0_u8; bytes.len()]));
            bytes.iter().for_each(taken);
            Ok(true)
        };
        let honest: fn(&[u8]) -> _ = |bytes| {
            let payload = bytes.get(4..4 + declared(bytes).unwrap_or(0).min(4096));
            Ok(payload.map(<[u8]>::to_vec).is_some())
        };
        assert!(found(believing).unwrap_err().contains("held at once"));
        assert!(found(slicing).unwrap_err().contains("a panic"));
        assert!(found(churning).unwrap_err().contains("in all"));
        assert!(found(honest).unwrap() > 0);
    }
}
