//! One operation in two ways, and how both are measured.

use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub(crate) struct Pair<'a> {
    pub(crate) name: &'static str,
    /// How many calls are measured at once where both ways take turns.
    batch: u32,
    prepare: Box<dyn Fn(usize) + 'a>,
    ours: Box<dyn Fn() + 'a>,
    by_hand: Box<dyn Fn() + 'a>,
}

impl<'a> Pair<'a> {
    /// Panics unless both ways give the same.
    pub(crate) fn new<T: Debug + PartialEq + 'a>(
        name: &'static str,
        ours: impl Fn() -> T + 'a,
        by_hand: impl Fn() -> T + 'a,
    ) -> Self {
        Self::prepared(name, |_| (), ours, by_hand)
    }

    /// Where `prepare` makes things ready for so many calls.
    pub(crate) fn prepared<T: Debug + PartialEq + 'a>(
        name: &'static str,
        prepare: impl Fn(usize) + 'a,
        ours: impl Fn() -> T + 'a,
        by_hand: impl Fn() -> T + 'a,
    ) -> Self {
        prepare(2);
        by_hand();
        let expected = by_hand();
        prepare(2);
        ours();
        assert_eq!(ours(), expected, "{name}");
        let batch = if name.contains("1,000") { 5 } else { 200 };
        Self {
            name,
            batch,
            prepare: Box::new(prepare),
            ours: Box::new(move || drop(black_box(ours()))),
            by_hand: Box::new(move || drop(black_box(by_hand()))),
        }
    }

    pub(crate) fn sides(&self) -> [(&'static str, &dyn Fn()); 2] {
        [("ours", &*self.ours), ("by hand", &*self.by_hand)]
    }

    /// How long `calls` calls take in all.
    pub(crate) fn time(&self, call: &dyn Fn(), calls: u32) -> Duration {
        (self.prepare)(calls as usize);
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed()
    }

    /// The time of one call of ours and by hand: the medians of many batches, taken in turns.
    pub(crate) fn medians(&self) -> [Duration; 2] {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for side in [round % 2, (round + 1) % 2] {
                let (_, call) = self.sides()[side];
                times[side].push(self.time(call, self.batch) / self.batch);
            }
        }
        times.map(|mut times| {
            times.sort();
            times[ROUNDS / 2]
        })
    }

    /// How often one call of ours and by hand allocates when all is warm, on this thread.
    pub(crate) fn allocations(&self) -> [u64; 2] {
        (self.prepare)(2 * CALLS_COUNTED);
        self.sides().map(|(_, call)| {
            let counted = (0..CALLS_COUNTED).map(|_| allocation_counter::measure(call).count_total);
            counted.min().unwrap()
        })
    }
}

const ROUNDS: usize = 120;
const CALLS_COUNTED: usize = 20;
