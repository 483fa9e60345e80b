//! A seeded mutation fuzzer over everything that decodes bytes of others.
//!
//! No bytes may make a decoder panic, overflow the stack, take more memory than they justify, give
//! a reason that repeats them, or decode to a value that is written but cannot be read back. What
//! the fuzzer does follows from its seed; how far it gets in a given time does not.
//!
//! ```sh
//! make fuzz SECONDS=600 SEED=7
//! FUZZ_SECONDS=30 FUZZ_SEED=7 cargo test --all-features --lib -- fuzz::
//! ```

mod codecs;
mod engine;
mod messages;
mod mutation;
mod random;
mod types;
mod wrappers;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use engine::Target;

#[test]
fn no_bytes_break_a_decoder() {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seconds = number("FUZZ_SECONDS").unwrap_or(SECONDS);
    let seed = number("FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    let targets: Vec<Target> = codecs::targets().into_iter().chain(messages::targets()).collect();
    let time = Duration::from_secs(seconds) / targets.len() as u32;
    let mut inputs = 0;
    for target in &targets {
        // A stack overflow ends the process: the last line says where.
        println!("{} (FUZZ_SEED={seed})", target.name);
        inputs += target.run(seed, time).unwrap_or_else(|found| panic!("FUZZ_SEED={seed} {found}"));
    }
    println!("{inputs} inputs to {} decoders", targets.len());
}

/// How long to look where the environment does not say it.
const SECONDS: u64 = 2;
