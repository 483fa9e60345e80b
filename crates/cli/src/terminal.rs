//! Redraws a table on standard output, as far as the terminal supports it.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};

use terminal_size::{Height, terminal_size};

/// Standard output as a terminal, with the number of lines drawn last.
pub struct Terminal {
    coloured: bool,
    drawn: usize,
}

impl Terminal {
    /// Returns standard output, if it is a terminal that supports drawing.
    pub fn of_stdout() -> Option<Self> {
        let drawable =
            io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let coloured = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        drawable.then_some(Self { coloured, drawn: 0 })
    }

    /// Draws over the previous frame. Lines that do not fit are left out.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let lines = shortened(lines, terminal_size().map(|(_, Height(rows))| rows.into()));
        let frame = self.frame(&lines);
        self.drawn = lines.len();
        let mut out = io::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    pub fn coloured(&self, colour: Colour, text: &str) -> String {
        if self.coloured { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    /// Has the terminal cut lines that are too long, since the next frame would otherwise not cover
    /// this one.
    fn frame(&self, lines: &[String]) -> String {
        let mut frame = match self.drawn {
            0 => NO_WRAPPING.to_owned(),
            drawn => format!("{NO_WRAPPING}\x1b[{drawn}A"),
        };
        for line in lines {
            frame.push_str(&format!("\r{line}{TO_THE_END_OF_LINE}\n"));
        }
        frame + TO_THE_END + WRAPPING
    }
}

/// Returns as many lines as fit in `rows` with the cursor below them.
fn shortened(lines: &[String], rows: Option<usize>) -> Cow<'_, [String]> {
    let fitting = rows.unwrap_or(usize::MAX).saturating_sub(1).max(1);
    if lines.len() <= fitting {
        return lines.into();
    }
    let shown = &lines[..fitting - 1];
    let left_out = format!("… {} more", lines.len() - shown.len());
    shown.iter().cloned().chain([left_out]).collect()
}

/// ANSI codes of the colours that tables use.
#[derive(Clone, Copy)]
pub enum Colour {
    Bold = 1,
    Red = 31,
    Yellow = 33,
    Cyan = 36,
}

const NO_WRAPPING: &str = "\x1b[?7l";
const WRAPPING: &str = "\x1b[?7h";
const TO_THE_END_OF_LINE: &str = "\x1b[K";
const TO_THE_END: &str = "\x1b[J";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_overwrites_the_previous_one() {
        let lines = ["a".to_owned(), "b".to_owned()];
        let frame = |drawn| Terminal { coloured: false, drawn }.frame(&lines);
        assert_eq!(frame(0), "\x1b[?7l\ra\x1b[K\n\rb\x1b[K\n\x1b[J\x1b[?7h");
        assert_eq!(frame(2), "\x1b[?7l\x1b[2A\ra\x1b[K\n\rb\x1b[K\n\x1b[J\x1b[?7h");
    }

    #[test]
    fn a_frame_is_no_higher_than_the_terminal() {
        let lines = ["a", "b", "c"].map(String::from);
        for (rows, expected) in [
            (None, &["a", "b", "c"][..]),
            (Some(4), &["a", "b", "c"]),
            (Some(3), &["a", "… 2 more"]),
            (Some(2), &["… 3 more"]),
            (Some(0), &["… 3 more"]),
        ] {
            assert_eq!(*shortened(&lines, rows), *expected, "{rows:?}");
        }
    }

    #[test]
    fn colours_can_be_disabled() {
        let shown = |coloured| Terminal { coloured, drawn: 0 }.coloured(Colour::Red, "3");
        assert_eq!((shown(true).as_str(), shown(false).as_str()), ("\x1b[31m3\x1b[0m", "3"));
    }
}
