//! The last statistics of a queue, and their course.

use std::collections::VecDeque;

use redis_collections::{QueueRates, QueueStats};

/// The latest statistics, each with the rates since the one before. Bounded by [`LONGEST`].
#[derive(Default)]
pub(crate) struct History(VecDeque<(QueueStats, Option<QueueRates>)>);

impl History {
    pub(crate) fn add(&mut self, stats: QueueStats) {
        let rates = self.0.back().map(|(earlier, _)| stats.rates_since(earlier));
        self.0.push_back((stats, rates));
        if self.0.len() > LONGEST {
            self.0.pop_front();
        }
    }

    /// Returns the last statistics, if there are any.
    pub(crate) fn last(&self) -> Option<&QueueStats> {
        self.0.back().map(|(stats, _)| stats)
    }

    /// Returns the present rates per second, if they are known yet.
    pub(crate) fn rates(&self) -> Option<QueueRates> {
        self.0.back().and_then(|(_, rates)| *rates)
    }

    pub(crate) fn course(&self, of: impl Fn(&QueueStats) -> usize) -> String {
        sparkline(self.0.iter().map(|(stats, _)| of(stats) as f64))
    }

    pub(crate) fn course_of_rate(&self, of: impl Fn(&QueueRates) -> f64) -> String {
        sparkline(self.0.iter().filter_map(|(_, rates)| rates.as_ref().map(&of)))
    }
}

/// Draws a bar for each value, the highest for the largest one. Only zero has the lowest.
fn sparkline(values: impl Iterator<Item = f64> + Clone) -> String {
    let largest = values.clone().fold(f64::MIN_POSITIVE, f64::max);
    let top = BARS.len() - 1;
    let bar = |value: f64| BARS[((value / largest * top as f64).ceil() as usize).min(top)];
    values.map(bar).collect()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LONGEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_values_are_large() {
        for (values, expected) in [
            (&[][..], ""),
            (&[0.0, 0.0], "▁▁"),
            (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
            (&[0.0, 1e-9, 1e9], "▁▂█"),
            (&[5.0], "█"),
        ] {
            assert_eq!(sparkline(values.iter().copied()), expected);
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let mut history = History::default();
        assert!(history.rates().is_none());
        for _ in 0..2 * LONGEST {
            history.add(QueueStats::default());
        }
        assert_eq!(history.course(|_| 1).chars().count(), LONGEST);
        assert!(history.rates().is_some());
    }
}
