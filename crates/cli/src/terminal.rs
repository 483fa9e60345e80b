//! Redraws a table on standard output, as far as the terminal supports it.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::mem;

use terminal_size::{Height, Width, terminal_size};

/// Standard output as a terminal, with the frame drawn last.
pub struct Terminal {
    coloured: bool,
    drawn: Vec<String>,
    /// The columns and rows that the terminal had then.
    size: Option<(u16, u16)>,
}

impl Terminal {
    /// Returns standard output, if it is a terminal that supports drawing.
    pub fn of_stdout() -> Option<Self> {
        let drawable =
            io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let coloured = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        drawable.then_some(Self { coloured, drawn: Vec::new(), size: None })
    }

    /// Draws over the previous frame. Lines that do not fit are left out.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let size = terminal_size().map(|(Width(columns), Height(rows))| (columns, rows));
        let Some(frame) = self.next(lines, size) else { return Ok(()) };
        let mut out = io::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    pub fn coloured(&self, colour: Colour, text: &str) -> String {
        if self.coloured { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    /// Returns the next frame, unless the terminal shows it. Clears a terminal that was resized: it
    /// may have wrapped the previous frame, whose height is then unknown.
    fn next(&mut self, lines: &[String], size: Option<(u16, u16)>) -> Option<String> {
        let is_resized = mem::replace(&mut self.size, size) != size;
        let lines = shortened(lines, size.map(|(_, rows)| rows.into())).into_owned();
        let drawn = mem::replace(&mut self.drawn, lines);
        match drawn.len() {
            0 => Some(frame("", &self.drawn)),
            _ if is_resized => Some(frame(CLEAR, &self.drawn)),
            _ if drawn == self.drawn => None,
            rows => Some(frame(&format!("\x1b[{rows}A"), &self.drawn)),
        }
    }
}

/// Returns the text that draws lines after `start`. Has the terminal cut those that are too long,
/// since the next frame would otherwise not cover this one.
fn frame(start: &str, lines: &[String]) -> String {
    let mut frame = [NO_WRAPPING, start].concat();
    for line in lines {
        frame.push_str(&format!("\r{line}{TO_THE_END_OF_LINE}\n"));
    }
    frame + TO_THE_END + WRAPPING
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
const CLEAR: &str = "\x1b[H\x1b[2J";
const TO_THE_END_OF_LINE: &str = "\x1b[K";
const TO_THE_END: &str = "\x1b[J";

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(coloured: bool) -> Terminal {
        Terminal { coloured, drawn: Vec::new(), size: None }
    }

    #[test]
    fn a_frame_overwrites_the_previous_one_or_a_cleared_terminal() {
        let mut terminal = terminal(false);
        let mut next = |last: &str, columns| {
            terminal.next(&["a".to_owned(), last.to_owned()], Some((columns, 24)))
        };
        let of = |start: &str, last: &str| {
            Some(format!("\x1b[?7l{start}\ra\x1b[K\n\r{last}\x1b[K\n\x1b[J\x1b[?7h"))
        };
        assert_eq!(next("b", 80), of("", "b"));
        assert_eq!(next("b", 80), None, "it is drawn");
        assert_eq!(next("c", 80), of("\x1b[2A", "c"));
        assert_eq!(next("c", 70), of("\x1b[H\x1b[2J", "c"));
        assert_eq!(next("d", 60), of("\x1b[H\x1b[2J", "d"));
        assert_eq!(next("e", 60), of("\x1b[2A", "e"));
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
        let shown = |coloured| terminal(coloured).coloured(Colour::Red, "3");
        assert_eq!((shown(true).as_str(), shown(false).as_str()), ("\x1b[31m3\x1b[0m", "3"));
    }
}
