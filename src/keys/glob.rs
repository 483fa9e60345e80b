//! Patterns as Redis matches them: <https://valkey.io/commands/keys/>.

/// Returns the pattern that matches just `literal`.
pub(crate) fn escape(literal: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(literal.len());
    for &byte in literal {
        if b"*?[]\\^-".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

/// Returns whether all of `text` matches `pattern`: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a
/// literal character.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern_at, mut text_at) = (0, 0);
    // Where to continue if the last star must take one byte more.
    let mut retry = None;
    while text_at < text.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            retry = Some((pattern_at, text_at));
        } else if let Some(next) = one(pattern, pattern_at, text[text_at]) {
            (pattern_at, text_at) = (next, text_at + 1);
        } else if let Some((after_star, taken)) = retry {
            (pattern_at, text_at) = (after_star, taken + 1);
            retry = Some((after_star, taken + 1));
        } else {
            return false;
        }
    }
    pattern[pattern_at..].iter().all(|&byte| byte == b'*')
}

/// Returns where the pattern continues after its part at `at` has matched `byte`, if it does.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => class(pattern, at + 1, byte),
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(at + 2),
        &literal => (literal == byte).then_some(at + 1),
    }
}

/// Like [`one`], for the part after a `[`. Without a closing bracket it extends to the end of the
/// pattern.
fn class(pattern: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let is_negated = pattern.get(at) == Some(&b'^');
    at += usize::from(is_negated);
    let mut is_found = false;
    loop {
        match &pattern[at.min(pattern.len())..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => {
                is_found |= *literal == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (low, high) = (first.min(last), first.max(last));
                is_found |= (low..=high).contains(&&byte);
                at += 3;
            }
            [literal, ..] => {
                is_found |= *literal == byte;
                at += 1;
            }
        }
    }
    (is_found != is_negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_redis_matches_them() {
        for (pattern, matching, others) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a", "abc"], &[]),
            ("a*c", &["ac", "abc", "abcbc"], &["a", "acb"]),
            ("*a*b*", &["ab", "xaxbx"], &["ba", "a"]),
            ("h?llo", &["hello", "hallo"], &["hllo", "heello"]),
            ("[ae]", &["a", "e"], &["b", ""]),
            ("[^ae]", &["b"], &["a", ""]),
            ("[a-c]x", &["ax", "cx"], &["dx"]),
            ("[c-a]x", &["bx"], &["dx"]),
            (r"\*", &["*"], &["a"]),
            (r"[\]]", &["]"], &["a"]),
            ("[a", &["a"], &["b"]),
            (r"a\", &[r"a\"], &["a"]),
            ("a**", &["a", "ab"], &["b"]),
        ] {
            for (texts, expected) in [(matching, true), (others, false)] {
                for text in texts {
                    let matched = matches(pattern.as_bytes(), text.as_bytes());
                    assert_eq!(matched, expected, "{pattern} {text}");
                }
            }
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let (pattern, text) = ("a*".repeat(2000) + "b", "a".repeat(20_000));
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
