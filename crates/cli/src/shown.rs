//! Formats texts, times and rows for the terminal.

use std::array;
use std::fmt::Write;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Formats bytes as one line without control characters.
pub fn text(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                shown.extend(letter.escape_default());
            } else {
                shown.push(letter);
            }
        }
        shown.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    shown
}

/// Formats the two largest units of a time.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Cuts a text that takes more than `widest` columns of a terminal.
pub fn shortened(text: String, widest: usize) -> String {
    if text.width() <= widest {
        return text;
    }
    let mut left = widest.saturating_sub(1);
    let fits = |letter: &char| {
        let rest = left.checked_sub(letter.width().unwrap_or_default());
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let mut shortened: String = text.chars().take_while(fits).collect();
    shortened.push('…');
    shortened
}

/// Formats rows with aligned columns, one line each.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = array::from_fn(|column| {
        rows.iter().map(|row| row[column].width()).max().unwrap_or_default()
    });
    let mut lines = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let padding = width - cell.width();
            let _ = write!(line, "{cell}{:padding$}  ", "");
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_without_control() {
        for (bytes, expected) in [
            (&b"to ann"[..], "to ann"),
            ("zu Jörg \"\\\"".as_bytes(), "zu Jörg \"\\\""),
            (b"a\r\nb\x1b[2J", "a\\r\\nb\\u{1b}[2J"),
            (b"\xff\xfea", "\\xff\\xfea"),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }

    #[test]
    fn columns_fit_characters_of_any_width() {
        let rows = [["漢字", "a"], ["e\u{301}", "b"], ["abc", "c"]];
        let rows = rows.map(|row| row.map(String::from));
        assert_eq!(table(&rows), "漢字  a\ne\u{301}     b\nabc   c\n");
        for (text, expected) in
            [("abcd", "abcd"), ("abcde", "abc…"), ("漢字", "漢字"), ("漢字漢", "漢…"), ("", "")]
        {
            assert_eq!(shortened(text.into(), 4), expected);
        }
    }

    #[test]
    fn times_have_two_units() {
        for (milliseconds, expected) in [
            (0, "0ms"),
            (999, "999ms"),
            (59_999, "59s"),
            (60_000, "1m 0s"),
            (3_600_000, "1h 0m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(time(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "b", ""], ["äö", "", "x y"]].map(|row| row.map(String::from));
        assert_eq!(table(&rows), "a   b\näö     x y\n");
    }
}
