//! One way to do something, and how it is measured.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// How many calls are measured at once.
    calls: usize,
    /// How many values a call is about.
    values: usize,
    run: Box<dyn Fn(usize) + Sync>,
}

impl Contestant {
    /// Where `run` makes so many calls.
    pub(crate) fn new(
        name: &'static str,
        calls: usize,
        run: impl Fn(usize) + Sync + 'static,
    ) -> Self {
        Self { name, calls, values: 1, run: Box::new(run) }
    }

    pub(crate) fn of_many(self, values: usize) -> Self {
        Self { values, ..self }
    }

    /// The nanoseconds for a value, on each of so many threads.
    pub(crate) fn time(&self, threads: usize) -> [f64; 1] {
        let (begin, end) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        let elapsed = thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    (self.run)(self.calls / 10 + 1);
                    begin.wait();
                    (self.run)(self.calls);
                    end.wait();
                });
            }
            begin.wait();
            let started = Instant::now();
            end.wait();
            started.elapsed()
        });
        [elapsed.as_nanos() as f64 / (self.calls * self.values) as f64]
    }
}
