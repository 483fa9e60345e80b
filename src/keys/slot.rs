//! The placement of requests on several servers.
//!
//! Slots and hash tags: <https://valkey.io/topics/cluster-spec/>.

/// The server that a request is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// The one that owns its keys; any, if it has none.
    Keys,
    /// The one that owns this slot.
    Slot(u16),
    /// All that own slots.
    Everywhere,
}

/// How the replies to the parts of a request are combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gather {
    /// One element for each key, in the order of the keys.
    InOrder,
    /// The sum of integers.
    Sum,
    /// All `OK`.
    Done,
    /// The last integer.
    Last,
}

/// The slot of a key: of the part between its first `{` and the next `}`, if there is any.
pub(crate) fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key), 0) % SLOTS
}

/// The slot of all keys that begin with `prefix`, if they have one in common.
pub(crate) fn prefix_slot(prefix: &[u8]) -> Option<u16> {
    hash_tag(prefix).map(|tag| crc16(tag, 0) % SLOTS)
}

/// The part between the first `{` and the next `}`, unless it is empty.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = &key[open + 1..];
    let close = rest.iter().position(|&byte| byte == b'}')?;
    Some(&rest[..close]).filter(|tag| !tag.is_empty())
}

/// CRC-16/XMODEM of `bytes` after others of the sum `before`: the polynomial 0x1021, not reflected,
/// from 0.
pub(crate) fn crc16(bytes: &[u8], before: u16) -> u16 {
    let next = |crc: u16, &byte: &u8| (crc << 8) ^ CRC16[usize::from(crc.to_be_bytes()[0] ^ byte)];
    bytes.iter().fold(before, next)
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The number of slots of a cluster.
pub(crate) const SLOTS: u16 = 16384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_the_server_gives_them() {
        for (key, slot) in [
            ("", 0),
            ("123456789", 12739),
            ("foo", 12182),
            ("{foo}:1", 12182),
            ("a{foo}{bar}", 12182),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
