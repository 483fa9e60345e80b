//! The detection of scans that cannot end.

/// The sequence of positions that a server has returned. A scan that ends returns each only once.
#[derive(Default)]
pub(super) struct CycleDetector {
    pages: u64,
    /// How many elements the server has visited after the first pages.
    visited: u128,
    /// The bits set in any position so far: no table is larger.
    bits: u64,
    /// The position after a number of pages that is a power of two. Comparing later positions with
    /// it finds every cycle in constant memory.
    mark: u64,
}

impl CycleDetector {
    /// Records the next position, after a page that visited `page_size` elements. Returns whether
    /// the scan can still end.
    pub(super) fn takes(&mut self, position: u64, page_size: usize) -> bool {
        self.pages += 1;
        if self.pages > PAGES_TO_BEGIN_WITH {
            self.visited += page_size as u128;
        }
        self.bits |= position;
        if position == self.mark {
            return false;
        }
        if self.pages.is_power_of_two() {
            self.mark = position;
        }
        let table = 1 << (u64::BITS - self.bits.leading_zeros());
        self.visited <= MAX_BUCKET_SIZE * table
    }
}

/// Servers that postpone enlarging a table overfill its buckets, with at most 35 elements each.
const MAX_BUCKET_SIZE: u128 = 64;
const PAGES_TO_BEGIN_WITH: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how many of the positions are accepted.
    fn taken(positions: impl IntoIterator<Item = u64>) -> usize {
        let mut cycle_detector = CycleDetector::default();
        positions.into_iter().take_while(|&position| cycle_detector.takes(position, 1000)).count()
    }

    #[test]
    fn a_scan_that_cannot_end_is_detected() {
        // Servers count with the bits in reverse order, several buckets a page.
        for (bits, step) in [(10, 1), (20, 200), (24, 1000), (30, 10_000)] {
            let table =
                (1..(1_u64 << bits) / step).map(|page| (page * step).reverse_bits() >> (64 - bits));
            assert_eq!(taken(table), ((1 << bits) / step - 1) as usize, "{bits} bits");
        }
        assert!(taken(std::iter::repeat(17)) < 3, "the same position");
        assert!(taken([7, 8, 9].into_iter().cycle()) < 10, "a cycle");
        assert!(taken((1..9).chain((9..1009).cycle())) < 4000, "a cycle after a while");
        assert!(taken(1..) < 2000, "a counter");
    }
}
