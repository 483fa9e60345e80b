//! How much of a table the next page of an iteration visits.

use crate::limits::ENTRIES_PER_COMMAND;

/// The size of the pages of an iteration: what the user wants, adapted to what came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageSize {
    /// How many elements the user wants in a page.
    elements: usize,
    /// How many elements of the table the next page visits. It returns those that match.
    visited: usize,
    /// The mean size of the elements that came last, in bytes.
    bytes_each: usize,
}

impl PageSize {
    /// Pages of about so many elements.
    pub(super) fn of(elements: usize) -> Self {
        let elements = elements.clamp(1, LARGEST_PAGE);
        Self { elements, visited: elements, bytes_each: 0 }
    }

    /// How many elements of the table the next page should visit.
    pub(super) fn visited(self) -> usize {
        self.visited
    }

    /// How many elements are read at once at most.
    pub(super) fn most_elements(self) -> usize {
        2 * self.wanted()
    }

    /// Records how many bytes some elements had.
    pub(super) fn weigh(&mut self, elements: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(elements) {
            self.bytes_each = each;
        }
    }

    /// Records how many elements a page returned: it should be between half and twice as many as
    /// wanted.
    pub(super) fn adapt(&mut self, found: usize) {
        let wanted = self.wanted();
        if found > 2 * wanted {
            self.visited = (self.visited / (found / wanted)).max(1);
        } else if found <= wanted / 2 {
            self.visited = (2 * self.visited).min(LARGEST_PAGE);
        }
    }

    /// Forgets how rare elements are, since another table follows.
    pub(super) fn start_over(&mut self) {
        self.visited = self.visited.min(self.elements);
    }

    /// How many elements a page should have: what the user wants, or fewer if they are large.
    fn wanted(self) -> usize {
        (LARGE / self.bytes_each.max(1)).clamp(1, self.elements)
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self::of(ENTRIES_PER_COMMAND)
    }
}

/// How many elements a page visits at most. For so many keys of a database of a million, a server
/// takes one to three milliseconds.
const LARGEST_PAGE: usize = 4 * ENTRIES_PER_COMMAND;

/// The bytes of a page of large elements. One has up to twice as many.
const LARGE: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many elements each page visits in a table in which one in `rarity` matches, and has so
    /// many bytes.
    fn visited(mut size: PageSize, rarity: usize, bytes: usize) -> Vec<usize> {
        let page = |_| {
            let visited = size.visited();
            let found = visited / rarity;
            size.weigh(found, found * bytes);
            size.adapt(found);
            visited
        };
        (0..6).map(page).collect()
    }

    #[test]
    fn pages_have_the_size_that_the_user_wants() {
        assert_eq!(visited(PageSize::default(), 1, 100), [1000; 6]);
        assert_eq!(visited(PageSize::of(10), 1, 100), [10; 6]);
        assert_eq!(visited(PageSize::of(usize::MAX), 1, 0), [LARGEST_PAGE; 6]);
        assert_eq!(visited(PageSize::of(0), 1, 100), [1; 6]);
    }

    #[test]
    fn pages_visit_more_where_few_elements_match_up_to_a_limit() {
        assert_eq!(visited(PageSize::default(), 1_000_000, 0)[..4], [1000, 2000, 4000, 4000]);
        assert_eq!(visited(PageSize::default(), 3, 100)[..3], [1000, 2000, 2000]);
        assert_eq!(visited(PageSize::of(10_000), 1_000_000, 0), [LARGEST_PAGE; 6]);
        let mut size = PageSize::default();
        size.adapt(0);
        size.start_over();
        assert_eq!(size.visited(), 1000);
    }

    #[test]
    fn pages_of_large_elements_have_fewer() {
        assert_eq!(visited(PageSize::default(), 1, 100_000), [1000, 5, 5, 5, 5, 5]);
        assert_eq!(visited(PageSize::default(), 1, 10_000_000), [1000, 1, 1, 1, 1, 1]);
        let mut size = PageSize::default();
        size.weigh(1000, 100_000_000);
        size.adapt(1000);
        let after = visited(size, 1, 100);
        assert_eq!(after, [5, 10, 20, 40, 80, 160], "they become small again");
    }
}
