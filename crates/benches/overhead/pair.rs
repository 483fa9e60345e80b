//! One operation in two ways, and how both are measured.

use std::fmt::Debug;
use std::hint::black_box;
use std::time::Instant;

use redis_collections_benches::{Samples, in_turns};

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

    /// The microseconds of one call of ours and by hand, in batches that take turns.
    pub(crate) fn times(&self) -> [Samples; 2] {
        let measure = |call: &mut &dyn Fn()| {
            (self.prepare)(self.batch as usize);
            let started = Instant::now();
            (0..self.batch).for_each(|_| call());
            [started.elapsed().as_secs_f64() * 1e6 / f64::from(self.batch)]
        };
        let times = in_turns(self.sides(), ROUNDS, measure).into_iter().flatten();
        times.collect::<Vec<_>>().try_into().unwrap()
    }

    fn sides(&self) -> [&dyn Fn(); 2] {
        [&*self.ours, &*self.by_hand]
    }

    /// How often one call of ours and by hand allocates when all is warm, on this thread.
    pub(crate) fn allocations(&self) -> [u64; 2] {
        (self.prepare)(2 * CALLS_COUNTED);
        self.sides().map(|call| {
            let counted = (0..CALLS_COUNTED).map(|_| allocation_counter::measure(call).count_total);
            counted.min().unwrap()
        })
    }
}

const ROUNDS: usize = 61;
const CALLS_COUNTED: usize = 20;
