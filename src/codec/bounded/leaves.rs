//! The kinds of those parts of a value that have bytes of their own.

/// Kinds whose bytes have different meanings; types of one kind have the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Byte,
    SignedByte,
    Unsigned,
    Signed,
    Narrow,
    Float,
    Char,
    Option,
    /// Text and bytes are sequences of bytes.
    Sequence,
    Map,
}

/// A digest of leaves in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Leaves {
    digest: u64,
    /// How many bytes came last.
    bytes: usize,
}

impl Leaves {
    pub(super) fn add(&mut self, leaf: Leaf) {
        if leaf == Leaf::Byte {
            self.add_bytes(1);
        } else {
            *self = self.ended();
            self.mix(leaf as u64);
        }
    }

    pub(super) fn add_bytes(&mut self, count: usize) {
        self.bytes = self.bytes.wrapping_add(count);
    }

    /// Returns the digest with the last bytes included.
    pub(super) fn ended(mut self) -> Self {
        if self.bytes > 0 {
            let count = std::mem::take(&mut self.bytes);
            self.mix(Leaf::Byte as u64);
            self.mix(count as u64);
        }
        self
    }

    /// Mixes like FNV-1a, but more than a byte at a time.
    fn mix(&mut self, number: u64) {
        self.digest = (self.digest ^ (number + 1)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
